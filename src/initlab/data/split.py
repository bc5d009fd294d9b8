"""Which examples are held out: functions of the split's own seed, never of the run's."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from initlab.errors import DataError


def held_out(count: int, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Split ``0 .. count - 1`` by a seeded permutation into what is kept and the share held out.

    Both come sorted, so that evaluation walks the files in their order.

    Raises:
        DataError: one of the two would be empty.
    """
    size = round(count * fraction)
    if not 0 < size < count:
        raise DataError(f"{count} examples are too few to hold out a share of {fraction}")
    order = torch.randperm(count, generator=Generator().manual_seed(seed))
    return order[size:].sort().values, order[:size].sort().values


def stratified(labels: Tensor, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Split the examples into what is kept and ``size`` held out, with every class in proportion.

    The k-th example of a class of n, in a seeded order, gets the key (k + 1/2) / n, and the smallest keys
    are held out: each class gives its exact share to within one example.

    Raises:
        DataError: one of the two would be empty.
    """
    if not 0 < size < len(labels):
        raise DataError(f"{len(labels)} examples are too few to hold out {size}")
    order = torch.randperm(len(labels), generator=Generator().manual_seed(seed))
    key = torch.empty(len(labels), dtype=torch.float64)
    for label in labels.unique():
        members = (labels[order] == label).nonzero().flatten()
        key[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
    order = order[key.argsort(stable=True)]
    return order[size:].sort().values, order[:size].sort().values
