"""What a data set is to a run: three streams of batches, the same whichever way the run is executed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

EVAL_BATCH_SIZE = 500  # with 1000, evaluating a WRN-16-1 held 250 MiB more than training it


class Batches(Protocol):
    """A stream of (inputs, labels) that can be walked once per epoch."""

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield float inputs ``(N, C, H, W)`` or ``(N, D)``, normalized, and labels ``(N,)``."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next walk; its order and augmentation depend on (seed, epoch) alone."""

    def size(self, index: int) -> int:
        """Return how many examples a batch of the epoch has, in all shares."""

    def share(self, rank: int, of: int) -> Batches:
        """Return the same batches with one process's share of each."""


@dataclass(frozen=True)
class Loaders:
    """The streams of one run; validation and test data are never augmented or shuffled."""

    train: Batches
    val: Batches
    test: Batches


class Source(ABC):
    """A data set; its arguments come from ``configs/data/<name>.yaml``."""

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, ``(C, H, W)`` or ``(D,)``."""

    @property
    @abstractmethod
    def num_classes(self) -> int:
        """Number of classes; labels are ``0 .. num_classes - 1``."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the files call each class, by label."""
        return tuple(map(str, range(self.num_classes)))

    @abstractmethod
    def loaders(
        self,
        batch_size: int,
        seed: int,
        device: torch.device | str = "cpu",
        eval_batch_size: int = EVAL_BATCH_SIZE,
    ) -> Loaders:
        """Read the data and make the streams.

        Args:
            batch_size: training inputs per step; the last, smaller batch of an epoch is kept.
            seed: of the order and the augmentation; the train/validation split has a seed of its own.
            device: where the batches lie.
            eval_batch_size: inputs per evaluation batch.

        Raises:
            DataError: files are missing, damaged, or of the wrong shape or labels.
        """
