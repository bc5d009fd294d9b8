"""Noise with random labels: what a test, a benchmark or a probe needs when no data is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator

from initlab.data.array_source import ArraySource
from initlab.data.checks import check_positive
from initlab.data.resident import Examples


@dataclass(frozen=True, kw_only=True)
class Synthetic(ArraySource):
    """Independent N(0, 1) inputs and uniform labels, the same in every run.

    Args:
        shape: of one input, ``(C, H, W)`` or ``(D,)``.
        classes: number of classes.
        train_size: examples before validation takes its share.
        test_size: examples of the test part.
        data_seed: of inputs and labels.
        val_fraction: share of the training part held out for validation.
        split_seed: of the permutation that chooses it.
    """

    shape: Sequence[int] = (3, 32, 32)
    classes: int = 10
    train_size: int = 1000
    test_size: int = 200
    data_seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("classes", "train_size", "test_size"):
            check_positive(f"data.{key}", getattr(self, key))
        for index, side in enumerate(self.shape):
            check_positive(f"data.shape[{index}]", side)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """As asked for."""
        return tuple(self.shape)

    @property
    def num_classes(self) -> int:
        """As asked for."""
        return self.classes

    def read(self) -> tuple[Examples, Examples]:
        """Draw both parts."""
        rng = Generator().manual_seed(self.data_seed)
        train, test = (
            Examples(
                torch.randn(size, *self.input_shape, generator=rng),
                torch.randint(self.classes, (size,), generator=rng),
            )
            for size in (self.train_size, self.test_size)
        )
        return train, test
