"""A data set that lies whole on the run's device; its batches are index operations."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from initlab.data.augmentation import Augmentation, Draws
from initlab.data.epoch_rng import epoch_rng
from initlab.data.preprocessing import Preprocessing
from initlab.data.stream import Stream


@dataclass(frozen=True)
class Examples:
    """Inputs as they are stored and their labels.

    Args:
        inputs: ``uint8`` images ``(N, C, H, W)`` or ``float32`` values ``(N, ...)``.
        labels: ``int64``, ``(N,)``.
    """

    inputs: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor) -> Examples:
        return Examples(self.inputs[index], self.labels[index])

    def to(self, device: torch.device | str) -> Examples:
        """Move both to a device."""
        return Examples(self.inputs.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Walk:
    """The order of an epoch, and the random numbers of its augmentation in that order.

    Args:
        order: indices of examples, ``(N,)``, or ``(K, N)`` for K walks side by side.
        draws: with the same leading dimensions; None where nothing is augmented.
    """

    order: Tensor
    draws: Draws | None

    def __getitem__(self, rows: slice | tuple[slice | Tensor, ...]) -> Walk:
        return Walk(self.order[rows], None if self.draws is None else self.draws[rows])


class Resident(Stream):
    """A stream over examples on one device.

    With a seed it is a training stream: every epoch walks the examples in an order of its own, each once,
    augmented. Without one it walks them as they lie. All random numbers come from (seed, epoch).

    Args:
        examples: the data; they stay where they lie.
        batch_size: inputs per batch; the last batch may be smaller.
        preprocessing: from stored values to inputs.
        seed: of order and augmentation; None for evaluation.
        augmentation: of the images of a training stream; None for none.
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        preprocessing: Preprocessing,
        seed: int | None = None,
        augmentation: Augmentation | None = None,
    ) -> None:
        super().__init__(len(examples), batch_size)
        self.examples = examples
        self.preprocessing = preprocessing.on(examples.inputs.device)
        self.seed, self.augmentation = seed, augmentation

    def reseeded(self, seed: int) -> Resident:
        """Return the training stream of another run over the same examples, which are not copied."""
        other = copy.copy(self)
        other.seed, other.epoch = seed, 0
        return other

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self._in_order() if self.seed is None else self._shuffled(self.walk(self.epoch))

    def _in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in map(self.rows, range(len(self))):
            yield self.preprocessing(self.examples.inputs[rows]), self.examples.labels[rows]

    def _shuffled(self, walk: Walk) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in map(self.rows, range(len(self))):
            yield self.batch(walk[rows])

    def walk(self, epoch: int) -> Walk:
        """Draw the order and the augmentation of an epoch of a training stream."""
        assert self.seed is not None
        stored, device = self.examples.inputs, self.examples.inputs.device
        rng = epoch_rng(self.seed, epoch)
        order = torch.randperm(len(stored), generator=rng.order).to(device)
        if self.augmentation is None:
            return Walk(order, None)
        height, width = stored.shape[-2:]
        return Walk(order, self.augmentation.draw(len(stored), height, width, rng.augmentation, device))

    def batch(self, part: Walk) -> tuple[Tensor, Tensor]:
        """Return inputs and labels of a part of a walk."""
        batch = self.examples[part.order]
        if self.augmentation is None or part.draws is None:
            return self.preprocessing(batch.inputs), batch.labels
        inputs = self.preprocessing(self.augmentation.move(batch.inputs, part.draws))
        return self.augmentation.hide_(inputs, part.draws), batch.labels
