"""MNIST: 60,000 + 10,000 handwritten digits of 28x28 pixels; LeCun, Bottou, Bengio & Haffner 1998."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision import datasets

from initlab.data.array_source import ImageSource
from initlab.data.files import Layout, located, read_or_fetch
from initlab.data.preprocessing import Preprocessing
from initlab.data.resident import Examples


@dataclass(frozen=True, kw_only=True)
class Mnist(ImageSource):
    """Grey images ``(1, 28, 28)``, read by torchvision from ``root/MNIST/raw``.

    Normalized as x - 1/2, without augmentation: Arpit et al. 2019, Appendix.

    Args:
        root: folder that holds ``MNIST``, or whose subfolder ``torchvision`` does.
        download: fetch the files where they are missing.
        val_fraction: share of the training images held out for validation (54000/6000).
        split_seed: of the permutation that chooses it.
        normalize: subtract 1/2; else the inputs lie in [0, 1].
        augment: crop (padding 4) and horizontal flip; for digits a flip is no symmetry.
        cutout: hide one square of each training image.
        cutout_length: its side in pixels.
    """

    root: str | Path
    download: bool = True

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Grey, 28x28."""
        return (1, 28, 28)

    @property
    def num_classes(self) -> int:
        """The digits."""
        return 10

    def read(self) -> tuple[Examples, Examples]:
        """Read both parts, fetching them first where they are missing."""
        resources = datasets.MNIST.resources
        packed = [f"MNIST/raw/{name}" for name, _ in resources]
        root = located(self.root, *packed, *(name.removesuffix(".gz") for name in packed))
        archives = {root / name: md5 for name, (_, md5) in zip(packed, resources, strict=True)}
        layout = Layout("MNIST", root, [path.with_suffix("") for path in archives], archives)

        def make(download: bool) -> tuple[datasets.MNIST, datasets.MNIST]:
            return datasets.MNIST(root, True, download=download), datasets.MNIST(root, False)

        train, test = read_or_fetch(make, layout, self.download)
        return _examples(train), _examples(test)

    def normalization(self, train: Tensor) -> Preprocessing:
        """Mean 1/2, standard deviation 1."""
        return Preprocessing(255.0, (0.5,), (1.0,))


def _examples(data: datasets.MNIST) -> Examples:
    return Examples(data.data.unsqueeze(1), data.targets.to(torch.int64))
