"""MNIST and CIFAR-10 through torchvision and torch's DataLoader."""

from __future__ import annotations

from copy import copy
from pathlib import Path

import initlab  # noqa: F401  (lets a CPU-only torch load torchvision)

# isort: split
import lightning
import torch
from torch.utils.data import DataLoader, Dataset, random_split
from torchvision import datasets, transforms

VAL_FRACTION = 0.1
NORMALIZE = {
    "mnist": transforms.Normalize((0.5,), (1.0,)),
    "cifar10": transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
}
AUGMENT = {
    "mnist": [],
    "cifar10": [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()],
}


def transform(name: str, augment: bool) -> transforms.Compose:
    """Return what is done to a PIL image of a data set."""
    return transforms.Compose([*(AUGMENT[name] if augment else []), transforms.ToTensor(), NORMALIZE[name]])


class ImageData(lightning.LightningDataModule):
    """One of the data sets, a tenth of its training part held out for validation.

    Args:
        name: ``mnist`` or ``cifar10``.
        data_dir: the folder that torchvision reads.
        batch_size: of training and evaluation.
        num_workers: processes of each loader.
    """

    def __init__(self, name: str, data_dir: str | Path, batch_size: int = 128, num_workers: int = 0) -> None:
        super().__init__()
        self.name, self.data_dir = name, data_dir
        self.batch_size, self.num_workers = batch_size, num_workers

    def setup(self, stage: str | None = None) -> None:
        """Read the files, once; training and validation images share their memory."""
        if hasattr(self, "train_set"):
            return
        dataset = {"mnist": datasets.MNIST, "cifar10": datasets.CIFAR10}[self.name]
        full = dataset(self.data_dir, train=True, transform=transform(self.name, augment=True))
        val = round(len(full) * VAL_FRACTION)
        split = torch.Generator().manual_seed(0)
        self.train_set, self.val_set = random_split(full, [len(full) - val, val], split)
        self.val_set.dataset = copy(full)
        self.val_set.dataset.transform = transform(self.name, augment=False)
        self.test_set = dataset(self.data_dir, train=False, transform=transform(self.name, augment=False))

    def _loader(self, part: Dataset, shuffle: bool = False) -> DataLoader:
        return DataLoader(
            part,
            self.batch_size,
            shuffle,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def train_dataloader(self) -> DataLoader:
        """Make the shuffled loader of augmented images."""
        return self._loader(self.train_set, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        """Make the loader of held-out images."""
        return self._loader(self.val_set)

    def test_dataloader(self) -> DataLoader:
        """Make the loader of test images."""
        return self._loader(self.test_set)
