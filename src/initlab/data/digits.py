"""The digits inside scikit-learn: 1797 handwritten digits of 8x8 pixels with values 0..16; no files needed.

Pixel counts in the 4x4 blocks of 32x32 bitmaps, of 13 writers: Alpaydin & Kaynak 1998, the test part of
UCI's Optical Recognition of Handwritten Digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from initlab.data.array_source import ArraySource
from initlab.data.preprocessing import Preprocessing
from initlab.data.resident import Examples
from initlab.data.split import stratified

TEST_SIZE = 360
TEST_SEED = 0
WHITE = 16.0


@dataclass(frozen=True, kw_only=True)
class Digits(ArraySource):
    """Grey images ``(1, 8, 8)``; 360 of them, the classes in proportion, are the test part of every run.

    Args:
        val_fraction: share of the other 1437 that is held out for validation.
        split_seed: of the permutation that chooses it; the test part does not depend on it.
        normalize: to the mean and standard deviation of the training pixels; else to [0, 1].
    """

    normalize: bool = True

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Grey, 8x8."""
        return (1, 8, 8)

    @property
    def num_classes(self) -> int:
        """The digits."""
        return 10

    def read(self) -> tuple[Examples, Examples]:
        """Read all digits and part off the test images."""
        from sklearn.datasets import load_digits  # 2 s that asking whether a network fits need not pay

        pixels, labels = load_digits(return_X_y=True)
        images = torch.from_numpy(pixels).to(torch.uint8).view(-1, 1, 8, 8)
        digits = Examples(images, torch.from_numpy(labels).to(torch.int64))
        train, test = stratified(digits.labels, TEST_SIZE, TEST_SEED)
        return digits[train], digits[test]

    def preprocessing(self, train: Tensor) -> Preprocessing:
        """Scale to [0, 1], and normalize if asked to."""
        return Preprocessing.measured(train, WHITE) if self.normalize else Preprocessing(WHITE)
