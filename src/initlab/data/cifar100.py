"""CIFAR-100: 50,000 + 10,000 colour images of 32x32 pixels in 100 classes; Krizhevsky 2009."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torchvision import datasets

from initlab.data.cifar10 import Cifar10


@dataclass(frozen=True, kw_only=True)
class Cifar100(Cifar10):
    """As CIFAR-10, its channel statistics included, with the fine labels of ``root/cifar-100-python``."""

    dataset: ClassVar[Any] = datasets.CIFAR100
    title: ClassVar[str] = "CIFAR-100"

    @property
    def num_classes(self) -> int:
        """The fine labels."""
        return 100
