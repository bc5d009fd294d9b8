"""The batches of an epoch, whole or one process's share of each."""

from __future__ import annotations

from copy import copy
from math import ceil
from typing import Self


class Stream:
    """Batches of some examples; a subclass says how they are made.

    Args:
        count: examples of an epoch.
        batch_size: examples per batch; the last batch may be smaller.
    """

    def __init__(self, count: int, batch_size: int) -> None:
        self.count, self.batch_size = count, batch_size
        self.epoch, self.rank, self.of = 0, 0, 1

    def __len__(self) -> int:
        return ceil(self.count / self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next walk."""
        self.epoch = epoch

    def size(self, index: int) -> int:
        """Return how many examples a batch has in all, whatever this process's share of it."""
        return min(self.batch_size, self.count - index * self.batch_size)

    def share(self, rank: int, of: int) -> Self:
        """Return the same batches, in the same order and augmentation, with every ``of``-th example of each.

        The shares of a batch smaller than ``of`` are empty in part.
        """
        other = copy(self)
        other.rank, other.of = rank, of
        return other

    def rows(self, index: int) -> slice:
        """Return where the examples of a batch, or the share of them, lie in the epoch."""
        start = index * self.batch_size
        return slice(start + self.rank, start + self.size(index), self.of)
