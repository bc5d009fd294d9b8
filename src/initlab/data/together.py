"""The training streams of several runs over the same examples, walked side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from initlab.data.augmentation import Draws
from initlab.data.resident import Resident, Walk


class Together:
    """Each batch holds, for every stream, the examples that the stream itself would give: one gather for all.

    Args:
        streams: training streams that differ in their seeds alone.
    """

    def __init__(self, streams: Sequence[Resident]) -> None:
        self.streams = list(streams)

    def __len__(self) -> int:
        return len(self.streams[0])

    def set_epoch(self, epoch: int) -> None:
        """Draw the orders and the augmentation of an epoch."""
        self._walk = _side_by_side([stream.walk(epoch) for stream in self.streams])

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with some of the streams."""
        self.streams = [self.streams[row] for row in rows]
        self._walk = self._walk[torch.tensor(rows, device=self._walk.order.device), :]

    def batch(self, index: int) -> tuple[Tensor, Tensor]:
        """Return inputs ``(K, N, ...)`` and labels ``(K, N)`` of one batch of the epoch."""
        first = self.streams[0]
        start = index * first.batch_size
        part = self._walk[:, start : start + first.batch_size]
        inputs, labels = first.batch(_flat(part))
        shape = part.order.shape
        return inputs.unflatten(0, shape), labels.unflatten(0, shape)


def _side_by_side(walks: Sequence[Walk]) -> Walk:
    draws = [walk.draws for walk in walks if walk.draws is not None]
    stacked = (
        Draws(
            torch.stack([draw.offsets for draw in draws]),
            torch.stack([draw.flips for draw in draws]),
            torch.stack([draw.centres for draw in draws]),
        )
        if draws
        else None
    )
    return Walk(torch.stack([walk.order for walk in walks]), stacked)


def _flat(part: Walk) -> Walk:
    """Put the rows of all streams one after another."""
    draws = part.draws
    flat = (
        None
        if draws is None
        else Draws(draws.offsets.flatten(0, 1), draws.flips.flatten(0, 1), draws.centres.flatten(0, 1))
    )
    return Walk(part.order.flatten(), flat)
