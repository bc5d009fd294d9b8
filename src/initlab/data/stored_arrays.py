"""What ``data=npz`` and ``data=libsvm`` share: arrays of a user's files, class names, a test part."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from initlab.data.array_source import ArraySource
from initlab.data.checks import check_fraction
from initlab.data.npz_file import Arrays
from initlab.data.resident import Examples
from initlab.data.split import stratified


@dataclass(frozen=True, kw_only=True)
class StoredArrays(ArraySource):
    """A source whose arrays stand in files of the user's.

    Args:
        test_fraction: share split off for testing, classes in proportion, where no test part is stored.
    """

    test_fraction: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_fraction("data.test_fraction", self.test_fraction)

    @property
    @abstractmethod
    def arrays(self) -> Arrays:
        """The arrays, read once."""

    @staticmethod
    @abstractmethod
    def stored(x: NDArray[Any]) -> Tensor:
        """Return inputs as a tensor ``(N, ...)``, or refuse them."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """As stored."""
        return tuple(self.stored(self.arrays.x_train).shape[1:])

    @property
    def num_classes(self) -> int:
        """Number of class names, or one more than the largest training label."""
        return len(self.class_names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names stored, or the labels."""
        return self.arrays.class_names

    def read(self) -> tuple[Examples, Examples]:
        """Read both parts, splitting a test part off where none is stored."""
        arrays = self.arrays
        train = Examples(self.stored(arrays.x_train), torch.from_numpy(arrays.y_train))
        if arrays.x_test is not None and arrays.y_test is not None:
            return train, Examples(self.stored(arrays.x_test), torch.from_numpy(arrays.y_test))
        kept, test = stratified(train.labels, round(len(train) * self.test_fraction), self.split_seed)
        return train[kept], train[test]
