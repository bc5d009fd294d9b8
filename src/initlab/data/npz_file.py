"""Reading the one ``.npz`` layout that ``data=npz`` and ``data=libsvm`` share."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from initlab.data.checks import reason
from initlab.errors import DataError


@dataclass(frozen=True)
class Arrays:
    """The arrays of the file; ``y`` are ``int64`` and count from 0, ``classes`` are their names."""

    x_train: NDArray[Any]
    y_train: NDArray[np.int64]
    x_test: NDArray[Any] | None = None
    y_test: NDArray[np.int64] | None = None
    classes: tuple[str, ...] | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names, or the labels from 0 to the largest of training."""
        if self.classes is not None:
            return self.classes
        return tuple(map(str, range(int(self.y_train.max()) + 1)))


def read_npz(path: Path) -> Arrays:
    """Read one file.

    Raises:
        DataError: it is missing, damaged, lacks an array, or its labels are not whole numbers.
    """
    if not path.exists():
        raise DataError(
            f"{path.absolute()} is missing: put it there, or use data=digits, which needs no files"
        )
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            found = {
                key: file[key] for key in ("x_train", "y_train", "x_test", "y_test", "classes") if key in file
            }
    except (
        OSError,
        ValueError,
        EOFError,
        AttributeError,
        TypeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise DataError(f"{path.absolute()} is damaged or no npz file ({reason(error)})") from error
    for key in ("x_train", "y_train"):
        if key not in found:
            raise DataError(f"{path.absolute()} has no array {key}")
    if ("x_test" in found) != ("y_test" in found):
        raise DataError(f"{path.absolute()} has only one of the arrays x_test and y_test")
    classes = found.pop("classes", None)
    for key in ("y_train", "y_test"):
        if key in found:
            found[key] = _labels(f"{path.absolute()}: {key}", found[key])
    return Arrays(**found, classes=None if classes is None else tuple(map(str, classes.tolist())))


def _labels(where: str, labels: NDArray[Any]) -> NDArray[np.int64]:
    if labels.ndim != 1 or labels.size == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{where} must be a row of whole numbers, not {labels.dtype} of shape {labels.shape}")
    return labels.astype(np.int64)
