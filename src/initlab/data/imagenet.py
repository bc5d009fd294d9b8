"""ImageNet (ILSVRC 2012): 1.28 million training and 50,000 validation images; Russakovsky et al. 2015."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torchvision import datasets
from torchvision.datasets.imagenet import ARCHIVE_META, META_FILE

from initlab.data.checks import reason
from initlab.data.files import READ_ERRORS
from initlab.data.folder_source import Files, ResizedSource, labelled
from initlab.errors import DataError

NUM_CLASSES = 1000


@dataclass(frozen=True, kw_only=True)
class Imagenet(ResizedSource):
    """Read by torchvision from ``root/imagenet``: ``meta.bin``, ``train`` and ``val``, or the archives.

    The labels of the official test part are not public: the official validation part is the test part
    here, and validation takes its share of the training part. Nothing can be downloaded without an account.

    Args:
        root: folder that holds ``imagenet``.
        image_size: height and width of the inputs.
        val_fraction: share of the training files held out for validation.
        split_seed: of the permutation that chooses it.
        normalize: by the channel means and deviations; else the inputs lie in [0, 1].
        augment: random resized crop and horizontal flip of the training images.
        num_workers: decoding processes; changes no number.
    """

    @property
    def num_classes(self) -> int:
        """The classes of the challenge."""
        return NUM_CLASSES

    def find(self) -> Files:
        """List the files, unpacking the archives first where only they are there."""
        folder = Path(self.root).expanduser() / "imagenet"
        archives = [name for name, _ in ARCHIVE_META.values()]
        if not any((folder / entry).exists() for entry in (META_FILE, "train", "val", *archives)):
            raise DataError(
                f"ImageNet is not in {folder.absolute()} and cannot be downloaded without an account: put "
                f"{', '.join(archives)} there, or use data=digits, which needs no files"
            )
        try:
            train, val = datasets.ImageNet(folder, "train"), datasets.ImageNet(folder, "val")
        except READ_ERRORS as error:
            raise DataError(f"ImageNet in {folder.absolute()} cannot be read ({reason(error)})") from error
        if len(train.wnids) != NUM_CLASSES:
            raise DataError(f"{folder.absolute()} has {len(train.wnids)} class folders, not {NUM_CLASSES}")
        return Files(labelled(train), None, labelled(val, train.wnids))
