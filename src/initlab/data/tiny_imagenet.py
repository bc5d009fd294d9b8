"""Tiny ImageNet: 200 classes of 500 training and 50 validation images of 64x64 pixels; Stanford CS231n."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torchvision.datasets.utils import download_and_extract_archive
from torchvision.transforms import v2

from initlab.data.augmentation import PADDING
from initlab.data.files import Layout, located, read_or_fetch
from initlab.data.folder_source import Files, FolderSource, Transform
from initlab.data.streamed import ImageFiles
from initlab.errors import DataError

FOLDER = "tiny-imagenet-200"
URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"
NUM_CLASSES = 200
SIDE = 64


@dataclass(frozen=True, kw_only=True)
class TinyImagenet(FolderSource):
    """Colour images ``(3, 64, 64)`` from ``root/tiny-imagenet-200``.

    The labels of the official test part are not public: the official validation part is the test part
    here, as in the RISOTTO paper, and validation takes its share of the training part.

    Args:
        root: folder that holds ``tiny-imagenet-200``.
        download: fetch the files where they are missing.
        val_fraction: share of the training files held out for validation (90000/10000).
        split_seed: of the permutation that chooses it.
        normalize: by ImageNet's channel means and deviations; else the inputs lie in [0, 1].
        augment: crop (padding 4) and horizontal flip of the training images.
        num_workers: decoding processes; changes no number.
    """

    download: bool = True

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Colour, 64x64."""
        return (3, SIDE, SIDE)

    @property
    def num_classes(self) -> int:
        """Two hundred kinds of things."""
        return NUM_CLASSES

    def find(self) -> Files:
        """List the files of both labelled parts, fetching them first where they are missing."""
        root = located(self.root, FOLDER, f"{FOLDER}.zip")
        folder, archive = root / FOLDER, root / f"{FOLDER}.zip"
        files = [folder / name for name in ("wnids.txt", "train", "val/val_annotations.txt")]
        layout = Layout("Tiny ImageNet", root, files, {archive: MD5})

        def make(download: bool) -> tuple[ImageFiles, ImageFiles]:
            if download:
                download_and_extract_archive(URL, str(root), filename=archive.name, md5=MD5)
            wnids = sorted((folder / "wnids.txt").read_text().split())
            return training_files(folder, wnids), annotated_files(folder, wnids)

        train, test = read_or_fetch(make, layout, self.download)
        return Files(train, None, test)

    def training_transform(self) -> Transform:
        """A crop from the image padded with 4 black pixels, mirrored with probability 1/2."""
        steps = [v2.RandomCrop(SIDE, padding=PADDING), v2.RandomHorizontalFlip(), v2.PILToTensor()]
        transform: Transform = v2.Compose(steps)
        return transform

    def evaluation_transform(self) -> Transform:
        """The image as it is."""
        transform: Transform = v2.PILToTensor()
        return transform


def training_files(folder: Path, wnids: list[str]) -> ImageFiles:
    """List ``train/<wnid>/images/*.JPEG``; the label is the place of the class in ``wnids``."""
    paths: list[Path] = []
    labels: list[int] = []
    for label, wnid in enumerate(wnids):
        images = sorted((folder / "train" / wnid / "images").glob("*.JPEG"))
        if not images:
            raise DataError(f"Tiny ImageNet: {(folder / 'train' / wnid / 'images').absolute()} has no images")
        paths += images
        labels += [label] * len(images)
    return ImageFiles(paths, torch.tensor(labels), (SIDE, SIDE))


def annotated_files(folder: Path, wnids: list[str]) -> ImageFiles:
    """List ``val/images``; ``val_annotations.txt`` names file and class at the start of each line."""
    place = {wnid: label for label, wnid in enumerate(wnids)}
    annotations = folder / "val" / "val_annotations.txt"
    paths: list[Path] = []
    labels: list[int] = []
    for line in annotations.read_text().splitlines():
        name, wnid = line.split("\t")[:2]
        if wnid not in place:
            raise DataError(
                f"Tiny ImageNet: {annotations.absolute()} names the class {wnid}, not in wnids.txt"
            )
        paths.append(folder / "val" / "images" / name)
        labels.append(place[wnid])
    return ImageFiles(paths, torch.tensor(labels), (SIDE, SIDE))
