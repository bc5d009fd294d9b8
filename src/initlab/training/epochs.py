"""A stream of batches as Lightning walks it: told the epoch before each walk, in a resumed run too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from initlab.data.base import Batches


class Epochs:
    """Presents the batches as their own ``sampler``, whose ``set_epoch`` Lightning calls for every epoch.

    Lightning makes the iterator of a first epoch before it knows the epoch, so nothing is drawn before
    the first batch is asked for. Of an epoch that a resumed run has begun already it passes over the batches
    that were done; an epoch's order depends on (seed, epoch) alone, so the rest are those that were to come.
    """

    def __init__(self, batches: Batches) -> None:
        self.sampler = batches
        self._done = 0  # batches of this walk
        self._over = 0  # of them, those passed over

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        over, self._over = self._over, 0
        for number, batch in enumerate(self.sampler, start=1):
            self._done = number
            if number > over:
                yield batch

    def state_dict(self) -> dict[str, int]:
        """Return how many batches of the epoch are done; Lightning writes it into the checkpoint."""
        return {"done": self._done}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Pass over the batches that are done, in the next walk; Lightning calls this in mid-epoch only."""
        self._over = state["done"]
