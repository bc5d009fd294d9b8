"""Any images sorted into folders: ``train/<class>/<image>``, and likewise ``test`` and ``val``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torchvision import datasets

from initlab.data.checks import reason
from initlab.data.folder_source import Files, ResizedSource, labelled
from initlab.errors import DataError


@dataclass(frozen=True, kw_only=True)
class ImageFolder(ResizedSource):
    """Images of any size from ``root/folder``, cropped and resized as is usual for ImageNet.

    With ``test`` and ``val`` each is what its name says. With only one of them it is the test part, and
    validation takes its share of ``train``.

    Args:
        root: folder that holds ``folder``.
        folder: holds ``train`` and ``test`` or ``val``.
        image_size: height and width of the inputs.
        val_fraction: share of the training files held out for validation where there is no such folder.
        split_seed: of the permutation that chooses it.
        normalize: by ImageNet's channel means and deviations; else the inputs lie in [0, 1].
        augment: random resized crop and horizontal flip of the training images.
        num_workers: decoding processes; changes no number.
    """

    folder: str = "images"

    @property
    def num_classes(self) -> int:
        """Number of class folders."""
        return len(self.class_names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The class folders, sorted."""
        return tuple(self._train.classes)

    @cached_property
    def _train(self) -> datasets.ImageFolder:
        return self._open("train")

    def find(self) -> Files:
        """List the files of each part."""
        train = labelled(self._train)
        names = [name for name in ("val", "test") if (self._path / name).is_dir()]
        if not names:
            raise DataError(f"{self._path.absolute()} has neither a test nor a val folder")
        held = [labelled(self._open(name), list(self._train.classes)) for name in names]
        return Files(train, held[0] if len(held) == 2 else None, held[-1])

    @property
    def _path(self) -> Path:
        return Path(self.root).expanduser() / self.folder

    def _open(self, name: str) -> datasets.ImageFolder:
        path = self._path / name
        if not path.is_dir():
            raise DataError(
                f"{path.absolute()} is missing: put the images there, one folder per class, "
                "or use data=digits, which needs no files"
            )
        try:
            return datasets.ImageFolder(path)
        except OSError as error:
            raise DataError(f"{path.absolute()} cannot be read ({reason(error)})") from error
