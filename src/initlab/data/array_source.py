"""What the small data sets share: they are read whole, split, and lie on the run's device."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from initlab.data.augmentation import Augmentation
from initlab.data.base import EVAL_BATCH_SIZE, Loaders, Source
from initlab.data.checks import check_fraction, check_inputs, check_labels, check_positive
from initlab.data.preprocessing import Preprocessing
from initlab.data.resident import Examples, Resident
from initlab.data.split import held_out


class Parts(NamedTuple):
    """The examples of a data set, as stored."""

    train: Examples
    val: Examples
    test: Examples


@dataclass(frozen=True, kw_only=True)
class ArraySource(Source):
    """A data set of two arrays; a subclass says how they are read and what their values mean.

    Args:
        val_fraction: share of the training part that is held out for validation.
        split_seed: of the permutation that chooses it.
    """

    val_fraction: float = 0.1
    split_seed: int = 0

    def __post_init__(self) -> None:
        check_fraction("data.val_fraction", self.val_fraction)

    @abstractmethod
    def read(self) -> tuple[Examples, Examples]:
        """Read the training part, of which validation takes its share, and the test part."""

    def preprocessing(self, train: Tensor) -> Preprocessing:
        """Say how stored values become inputs; ``train`` holds those of the training part."""
        return Preprocessing()

    def augmentation(self) -> Augmentation | None:
        """Say what is done to training images."""
        return None

    @cached_property
    def parts(self) -> Parts:
        """The examples of each part, checked, on the CPU; read once.

        Raises:
            DataError: files are missing, damaged, or of the wrong shape or labels.
        """
        train, test = self.read()
        for part, name in ((train, "training"), (test, "test")):
            where = f"the {name} part of data={_option_name(self)}"
            check_inputs(where, part.inputs, part.labels, self.input_shape)
            check_labels(where, part.labels, self.num_classes)
        kept, val = held_out(len(train), self.val_fraction, self.split_seed)
        return Parts(train[kept], train[val], test)

    def loaders(
        self,
        batch_size: int,
        seed: int,
        device: torch.device | str = "cpu",
        eval_batch_size: int = EVAL_BATCH_SIZE,
    ) -> Loaders:
        """Read the data, move it to the device and make the streams; see :meth:`Source.loaders`."""
        check_positive("batch_size", batch_size)
        check_positive("eval_batch_size", eval_batch_size)
        preprocessing = self.preprocessing(self.parts.train.inputs)
        train, val, test = (part.to(device) for part in self.parts)
        return Loaders(
            Resident(train, batch_size, preprocessing, seed, self.augmentation()),
            Resident(val, eval_batch_size, preprocessing),
            Resident(test, eval_batch_size, preprocessing),
        )


@dataclass(frozen=True, kw_only=True)
class ImageSource(ArraySource):
    """A small data set of ``uint8`` images.

    Args:
        normalize: subtract the mean and divide by the standard deviation of each channel; else the inputs
            are only scaled to [0, 1].
        augment: crop (padding 4) and horizontal flip of the training images.
        cutout: hide one square of each training image.
        cutout_length: its side in pixels.
    """

    normalize: bool = True
    augment: bool = False
    cutout: bool = False
    cutout_length: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        self.augmentation()

    def normalization(self, train: Tensor) -> Preprocessing:
        """Give mean and standard deviation; those of the training images unless a data set has its own."""
        return Preprocessing.measured(train, scale=255.0)

    def preprocessing(self, train: Tensor) -> Preprocessing:
        """Scale to [0, 1], and normalize if asked to."""
        return self.normalization(train) if self.normalize else Preprocessing(scale=255.0)

    def augmentation(self) -> Augmentation | None:
        """Say what is done to training images, or None for nothing."""
        if not (self.augment or self.cutout):
            return None
        return Augmentation(self.augment, self.cutout, self.cutout_length)


def _option_name(source: Source) -> str:
    return type(source).__module__.rpartition(".")[2]
