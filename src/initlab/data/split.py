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

    Each class gives the whole part of its exact share, and the largest remainders one example more, so that
    no class is off by a whole example (Hamilton's rule). A seeded order says which examples those are.

    Raises:
        DataError: one of the two would be empty.
    """
    if not 0 < size < len(labels):
        raise DataError(f"{len(labels)} examples are too few to hold out {size}")
    order = torch.randperm(len(labels), generator=Generator().manual_seed(seed))
    classes, counts = labels.unique(return_counts=True)
    shares = size * counts  # in units of 1 / len(labels), so that nothing is rounded
    whole, remainders = shares // len(labels), shares % len(labels)
    more = remainders.argsort(descending=True, stable=True)[: size - int(whole.sum())]
    whole[more] += 1
    taken = torch.zeros(len(labels), dtype=torch.bool)
    for label, number in zip(classes, whole.tolist(), strict=True):
        members = (labels[order] == label).nonzero().flatten()
        taken[members[:number]] = True
    return order[~taken].sort().values, order[taken].sort().values
