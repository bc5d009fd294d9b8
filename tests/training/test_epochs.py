"""Lightning tells the epoch after it has made the first iterator."""

from collections.abc import Iterator

import torch
from lightning.fabric.utilities.data import _set_sampler_epoch
from torch import Tensor

from initlab.training.epochs import Epochs


class Numbered:
    """One batch that says which epoch it was drawn for."""

    epoch = -1

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter([(torch.tensor(self.epoch), torch.tensor(0))])

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


def test_an_iterator_made_before_the_epoch_is_known_draws_that_epoch() -> None:
    epochs = Epochs(Numbered())
    walk = iter(epochs)
    _set_sampler_epoch(epochs, 5)
    inputs, _ = next(walk)
    assert inputs == 5
    assert len(epochs) == 1
