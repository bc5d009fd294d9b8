"""A stream of batches as Lightning walks it: told the epoch before each walk, in a resumed run too."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from initlab.data.base import Batches


class Epochs:
    """Presents the batches as their own ``sampler``, whose ``set_epoch`` Lightning calls for every epoch.

    Lightning makes the iterator of a first epoch before it knows the epoch, so nothing is drawn before
    the first batch is asked for.
    """

    def __init__(self, batches: Batches) -> None:
        self.sampler = batches

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield from self.sampler
