"""CIFAR-10: 50,000 + 10,000 colour images of 32x32 pixels; Krizhevsky 2009."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchvision import datasets

from initlab.data.array_source import ImageSource
from initlab.data.files import Layout, located, read_or_fetch
from initlab.data.preprocessing import Preprocessing
from initlab.data.resident import Examples


@dataclass(frozen=True, kw_only=True)
class Cifar10(ImageSource):
    """Colour images ``(3, 32, 32)``, read by torchvision from ``root/cifar-10-batches-py``.

    Crop, flip and the channel statistics of the official code of Arpit et al. 2019, whose standard
    deviations (.2023, .1994, .2010) are means over images, not over pixels.

    Args:
        root: folder that holds ``cifar-10-batches-py``, or whose subfolder ``torchvision`` does.
        download: fetch the files where they are missing.
        val_fraction: share of the training images held out for validation (45000/5000).
        split_seed: of the permutation that chooses it.
        normalize: subtract the channel means and divide by the deviations; else the inputs lie in [0, 1].
        augment: crop (padding 4) and horizontal flip of the training images.
        cutout: hide one square of each training image.
        cutout_length: its side in pixels.
        symmetric: normalize to [-1, 1] instead (Defazio & Bottou, App. F).
    """

    root: str | Path
    download: bool = True
    symmetric: bool = False
    augment: bool = True

    dataset: ClassVar[Any] = datasets.CIFAR10
    title: ClassVar[str] = "CIFAR-10"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Colour, 32x32."""
        return (3, 32, 32)

    @property
    def num_classes(self) -> int:
        """Ten kinds of things."""
        return 10

    def read(self) -> tuple[Examples, Examples]:
        """Read both parts, fetching them first where they are missing."""
        kind = self.dataset
        root = located(self.root, kind.base_folder, kind.filename)
        names = [name for name, _ in [*kind.train_list, *kind.test_list]] + [kind.meta["filename"]]
        files = [root / kind.base_folder / name for name in names]
        layout = Layout(self.title, root, files, {root / kind.filename: kind.tgz_md5})

        def make(download: bool) -> tuple[Any, Any]:
            with warnings.catch_warnings():  # the pickles of 2009 spell a flag in a way numpy now deplores
                warnings.simplefilter("ignore")
                return kind(root, True, download=download), kind(root, False)

        train, test = read_or_fetch(make, layout, self.download)
        return _examples(train), _examples(test)

    def normalization(self, train: Tensor) -> Preprocessing:
        """The statistics of CIFAR-10, used for CIFAR-100 too; or the middle and half of the range."""
        if self.symmetric:
            return Preprocessing(255.0, (0.5,) * 3, (0.5,) * 3)
        return Preprocessing(255.0, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))


def _examples(data: Any) -> Examples:
    images = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
    return Examples(images, torch.tensor(data.targets, dtype=torch.int64))
