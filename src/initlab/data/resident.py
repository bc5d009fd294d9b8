"""A data set that lies whole on the run's device; its batches are index operations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor

from initlab.data.augmentation import Augmentation
from initlab.data.epoch_rng import epoch_rng
from initlab.data.preprocessing import Preprocessing


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


class Resident:
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
        self.examples, self.batch_size = examples, batch_size
        self.preprocessing = preprocessing.on(examples.inputs.device)
        self.seed, self.augmentation = seed, augmentation
        self.epoch = 0

    def __len__(self) -> int:
        return ceil(len(self.examples) / self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next walk; the only state there is."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self.seed is None:
            return self._in_order()
        return self._shuffled(self.seed, self.epoch)

    def _in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        inputs = self.examples.inputs.split(self.batch_size)
        for stored, labels in zip(inputs, self.examples.labels.split(self.batch_size), strict=True):
            yield self.preprocessing(stored), labels

    def _shuffled(self, seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        stored, device = self.examples.inputs, self.examples.inputs.device
        rng = epoch_rng(seed, epoch)
        order = torch.randperm(len(stored), generator=rng.order).to(device)
        augmentation = self.augmentation
        if augmentation is not None:
            height, width = stored.shape[-2:]
            draws = augmentation.draw(len(stored), height, width, rng.augmentation, device)
        for start in range(0, len(stored), self.batch_size):
            rows = slice(start, start + self.batch_size)
            batch = self.examples[order[rows]]
            if augmentation is None:
                yield self.preprocessing(batch.inputs), batch.labels
            else:
                inputs = self.preprocessing(augmentation.move(batch.inputs, draws[rows]))
                yield augmentation.hide_(inputs, draws[rows]), batch.labels
