"""Arrays in one ``.npz`` file: x_train, y_train and, where there are any, x_test, y_test, classes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from initlab.data.array_source import ImageSource
from initlab.data.npz_file import Arrays, read_npz
from initlab.data.preprocessing import Preprocessing
from initlab.data.stored_arrays import StoredArrays
from initlab.errors import ConfigError, DataError


@dataclass(frozen=True, kw_only=True)
class Npz(StoredArrays, ImageSource):
    """Images ``uint8`` ``(N, H, W, C)`` or ``(N, H, W)``, or features ``(N, D)``, from ``root/file``.

    Args:
        root: folder of the file.
        file: its name.
        test_fraction: share split off for testing, classes in proportion, where the file has no x_test.
        val_fraction: share of the training part held out for validation.
        split_seed: of both splits.
        normalize: to the mean and standard deviation of each channel or feature of the training part;
            else images are scaled to [0, 1] and features left alone.
        augment: crop (padding 4) and horizontal flip of the training images.
        cutout: hide one square of each training image.
        cutout_length: its side in pixels.
    """

    root: str | Path
    file: str = "data.npz"

    @cached_property
    def arrays(self) -> Arrays:
        """The file's arrays, read once."""
        return read_npz(Path(self.root).expanduser() / self.file)

    def preprocessing(self, train: Tensor) -> Preprocessing:
        """As for images, or by feature."""
        if train.dim() == 4:
            return super().preprocessing(train)
        if self.augmentation() is not None:
            raise ConfigError(f"{self.file} holds features: set data.augment=false and data.cutout=false")
        return Preprocessing.measured(train) if self.normalize else Preprocessing()

    @staticmethod
    def stored(x: NDArray[Any]) -> Tensor:
        """Return images ``(N, C, H, W)`` as they are, and features ``(N, D)`` in float32."""
        features = x.ndim == 2 and x.dtype.kind in "biuf"
        images = x.ndim in (3, 4) and x.dtype.name == "uint8"
        if not features and not images:
            raise DataError(
                f"inputs of type {x.dtype} and shape {x.shape} are neither uint8 images (N, H, W[, C]) nor "
                "features (N, D)"
            )
        if features:
            return torch.from_numpy(x.astype("float32"))
        values = torch.from_numpy(x)
        return values.unsqueeze(1) if values.dim() == 3 else values.permute(0, 3, 1, 2).contiguous()
