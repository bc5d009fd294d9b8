"""What the big data sets share: image files that are decoded as they are needed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from initlab.data.base import EVAL_BATCH_SIZE, Loaders, Source
from initlab.data.checks import check_fraction, check_labels, check_positive
from initlab.data.preprocessing import Preprocessing
from initlab.data.split import held_out
from initlab.data.streamed import ImageFiles, Streamed
from initlab.errors import ConfigError, DataError

Transform = Callable[[Image.Image], Tensor]
IMAGENET = Preprocessing(255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Files(NamedTuple):
    """The files of each part; without a validation part of its own, training gives a share."""

    train: ImageFiles
    val: ImageFiles | None
    test: ImageFiles


@dataclass(frozen=True, kw_only=True)
class FolderSource(Source):
    """A data set of colour image files; a subclass finds them.

    Args:
        root: folder that holds the data set's own folder.
        val_fraction: share of the training files held out for validation.
        split_seed: of the permutation that chooses it.
        normalize: by ImageNet's channel means and deviations; else the inputs lie in [0, 1].
        augment: augmentation of the training images.
        num_workers: decoding processes; changes no number.
    """

    root: str | Path
    val_fraction: float = 0.1
    split_seed: int = 0
    normalize: bool = True
    augment: bool = True
    num_workers: int = 4

    def __post_init__(self) -> None:
        check_fraction("data.val_fraction", self.val_fraction)
        if not isinstance(self.num_workers, int) or self.num_workers < 0:
            raise ConfigError(f"data.num_workers={self.num_workers}: must be 0 or a positive whole number")

    @abstractmethod
    def find(self) -> Files:
        """List the files of each part, fetching them first where that can be done."""

    @cached_property
    def files(self) -> Files:
        """The files of each part, their labels checked; listed once.

        Raises:
            DataError: files are missing or labels wrong.
        """
        found = self.find()
        for name, part in zip(("training", "validation", "test"), found, strict=True):
            if part is not None:
                check_labels(
                    f"the {name} part in {Path(self.root).absolute()}", part.labels, self.num_classes
                )
        return found

    @abstractmethod
    def training_transform(self) -> Transform:
        """Give the augmentation of one image."""

    @abstractmethod
    def evaluation_transform(self) -> Transform:
        """Give what is done to an image that is not augmented."""

    def loaders(
        self,
        batch_size: int,
        seed: int,
        device: torch.device | str = "cpu",
        eval_batch_size: int = EVAL_BATCH_SIZE,
    ) -> Loaders:
        """List the files and make the streams; see :meth:`Source.loaders`."""
        check_positive("batch_size", batch_size)
        check_positive("eval_batch_size", eval_batch_size)
        train, val, test = self.files
        if val is None:
            kept, held = held_out(len(train), self.val_fraction, self.split_seed)
            train, val = train[kept], train[held]
        plain = self.evaluation_transform()
        augmented = self.training_transform() if self.augment else plain
        preprocessing = IMAGENET if self.normalize else Preprocessing(255.0)

        def stream(files: ImageFiles, transform: Transform, size: int, seed: int | None = None) -> Streamed:
            return Streamed(files, transform, size, preprocessing, self.num_workers, device, seed)

        return Loaders(
            stream(train, augmented, batch_size, seed),
            stream(val, plain, eval_batch_size),
            stream(test, plain, eval_batch_size),
        )


@dataclass(frozen=True, kw_only=True)
class ResizedSource(FolderSource):
    """A data set of images of many sizes, cropped and resized as is usual for ImageNet.

    Args:
        image_size: height and width of the inputs.
    """

    image_size: int = 224

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("data.image_size", self.image_size)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Colour, square."""
        return (3, self.image_size, self.image_size)

    def training_transform(self) -> Transform:
        """A random crop of 8% to 100% of the area at the input's size, mirrored with probability 1/2."""
        return _uint8([v2.RandomResizedCrop(self.image_size, antialias=True), v2.RandomHorizontalFlip()])

    def evaluation_transform(self) -> Transform:
        """The central square of the image, resized so that 7/8 of its shorter side are left."""
        side = round(self.image_size * 8 / 7)
        return _uint8([v2.Resize(side, antialias=True), v2.CenterCrop(self.image_size)])


def labelled(folder: Any, classes: list[str] | None = None) -> ImageFiles:
    """List the files of a torchvision ``ImageFolder``.

    Args:
        folder: the data set.
        classes: names of the class folders that it must have; None for any.

    Raises:
        DataError: it has other class folders.
    """
    names = sorted({Path(path).parent.name for path, _ in folder.samples})
    other = set(names).symmetric_difference(classes or names)
    if other:
        raise DataError(f"{folder.root} and the training folder differ in the class folder {min(other)}")
    paths, labels = zip(*folder.samples, strict=True)
    return ImageFiles(paths, torch.tensor(labels))


def _uint8(steps: list[Any]) -> Transform:
    transform: Transform = v2.Compose([*steps, v2.PILToTensor()])
    return transform
