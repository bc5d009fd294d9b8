"""LIBSVM's text sets, dense: Chang & Lin, csie.ntu.edu.tw/~cjlin/libsvmtools/datasets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from initlab.data.checks import reason
from initlab.data.files import READ_ERRORS, fetch
from initlab.data.npz_file import Arrays, read_npz
from initlab.data.preprocessing import Preprocessing
from initlab.data.stored_arrays import StoredArrays
from initlab.errors import DataError

SITE = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets"
SUFFIXES = ("", ".bz2", ".gz")


@dataclass(frozen=True, kw_only=True)
class Libsvm(StoredArrays):
    """Features ``(D,)`` from ``root/libsvm/<dataset>`` and ``<dataset>.t``, as text or as one ``.npz``.

    The labels of the text become 0, 1, ... in increasing order; :attr:`class_names` keeps them. LIBSVM
    publishes no checksums, so a download is only known to be whole, not to be right.

    Args:
        root: folder that holds ``libsvm``.
        dataset: name of the set, as in ``satimage.scale``.
        download: fetch the text where no file is there.
        test_fraction: share split off for testing, classes in proportion, where there is no ``.t`` file.
        val_fraction: share of the training part held out for validation.
        split_seed: of both splits.
        normalize: standardize each feature by the training part.
    """

    root: str | Path
    dataset: str = "iris.scale"
    download: bool = True
    normalize: bool = False

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return Path(self.root).expanduser() / "libsvm"

    @cached_property
    def arrays(self) -> Arrays:
        """The set's arrays, read once."""
        packed = self.folder / f"{self.dataset}.npz"
        if packed.exists():
            return read_npz(packed)
        train = self._text(self.dataset)
        if train is None:
            self._fetch()
            train = self._text(self.dataset)
        if train is None:
            raise self._missing(f"the site has no set named {self.dataset}")
        return read_text(train, self._text(f"{self.dataset}.t"))

    @staticmethod
    def stored(x: NDArray[Any]) -> Tensor:
        """Return features ``(N, D)`` in float32."""
        if x.ndim != 2:
            raise DataError(f"inputs of shape {x.shape} are no features (N, D)")
        return torch.from_numpy(x).to(torch.float32)

    def preprocessing(self, train: Tensor) -> Preprocessing:
        """Leave the features alone, or standardize them."""
        return Preprocessing.measured(train) if self.normalize else Preprocessing()

    def _text(self, name: str) -> Path | None:
        paths = (self.folder / f"{name}{suffix}" for suffix in SUFFIXES)
        return next((path for path in paths if path.exists()), None)

    def _fetch(self) -> None:
        if not self.download:
            raise self._missing("data.download=false")
        try:
            for kind in ("multiclass", "binary"):
                # The test file first: a training file that is there means that the set is complete.
                for name in (f"{self.dataset}.t", self.dataset):
                    any(
                        fetch(f"{SITE}/{kind}/{name}{suffix}", self.folder / f"{name}{suffix}")
                        for suffix in ("", ".bz2")
                    )
                if self._text(self.dataset) is not None:
                    return
        except READ_ERRORS as error:
            raise self._missing(f"could not be downloaded ({reason(error)})") from error

    def _missing(self, why: str) -> DataError:
        return DataError(
            f"{self.dataset} is not in {self.folder.absolute()} and {why}: put the text file or its npz "
            "there, or use data=digits, which needs no files"
        )


def read_text(train: Path, test: Path | None) -> Arrays:
    """Read LIBSVM text files; both get as many features as the wider one has.

    Raises:
        DataError: a file is damaged, or the test file has a label that the training file has not.
    """
    from sklearn.datasets import load_svmlight_files  # as in digits: nothing that is not read

    paths = [train] if test is None else [train, test]
    try:
        loaded = load_svmlight_files(paths, dtype=np.float32, zero_based=False)
    except READ_ERRORS as error:
        files = " or ".join(str(path.absolute()) for path in paths)
        raise DataError(f"{files} is damaged or no LIBSVM text ({reason(error)})") from error
    inputs = [matrix.toarray() for matrix in loaded[::2]]
    if len(inputs[0]) == 0:
        raise DataError(f"{train.absolute()} is empty")
    raw = np.unique(loaded[1])
    for path, labels in zip(paths, loaded[1::2], strict=True):
        unknown = np.setdiff1d(labels, raw)
        if unknown.size:
            raise DataError(f"{path.absolute()} has the label {unknown[0]:g}, which {train.name} has not")
    indices = [np.searchsorted(raw, labels).astype(np.int64) for labels in loaded[1::2]]
    names = tuple(f"{label:g}" for label in raw)
    if test is None:
        return Arrays(inputs[0], indices[0], classes=names)
    return Arrays(inputs[0], indices[0], inputs[1], indices[1], names)
