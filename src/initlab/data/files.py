"""Finding, checking and fetching the files of a data set, without writing over any that are there."""

from __future__ import annotations

import os
import socket
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import TypeVar
from urllib.error import HTTPError
from urllib.request import urlopen

from initlab.data.checks import reason
from initlab.errors import DataError

T = TypeVar("T")

# What readers of data sets raise on damaged or missing files; URLError is an OSError.
READ_ERRORS = (
    OSError,
    HTTPException,
    RuntimeError,
    ValueError,
    AssertionError,
    LookupError,
    EOFError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
TIMEOUT_S = 20


@dataclass(frozen=True)
class Layout:
    """The files of a data set as its makers publish them.

    Args:
        title: name for a person, as in "CIFAR-10".
        root: folder given by the user.
        files: what the reader needs, unpacked.
        archives: what they are unpacked from, with the md5 of each; empty where none are published.
    """

    title: str
    root: Path
    files: Sequence[Path]
    archives: Mapping[Path, str] = field(default_factory=dict)

    def missing(self, why: str = "") -> DataError:
        """Say that the data set is not there, and what to do."""
        entry = self.files[0]
        while entry.parent != self.root and self.root in entry.parents:
            entry = entry.parent
        why = f" and {why}" if why else ""
        return DataError(
            f"{self.title} is not in {self.root.absolute()}{why}: put {entry.name} there, set paths.data_dir "
            "to the folder that holds it, or use data=digits, which needs no files"
        )

    def damaged(self, what: Path, why: str) -> DataError:
        """Say that a file cannot be used, and what to do."""
        return DataError(f"{self.title}: {what.absolute()} is damaged ({why}): delete it and fetch it again")


def located(root: str | Path, *entries: str) -> Path:
    """Return the folder that holds any of some files: ``root``, or ``root/torchvision`` if only it does."""
    root = Path(root).expanduser()
    folders = (root, root / "torchvision")
    return next((path for path in folders if any((path / entry).exists() for entry in entries)), root)


def read_or_fetch(make: Callable[[bool], T], layout: Layout, download: bool) -> T:
    """Read what is there; else unpack archives that are there; else, and only then, download.

    Args:
        make: the reader; its argument says whether it may unpack and download.
        layout: the files it reads.
        download: whether the network may be used.

    Raises:
        DataError: nothing is there and it cannot be fetched, or what is there is damaged.
    """
    there = [path for path in layout.files if path.exists()]
    if there:
        absent = sorted(path.name for path in set(layout.files).difference(there))
        if absent:
            raise layout.damaged(there[0].parent, f"{absent[0]} is missing")
        try:
            return make(False)
        except READ_ERRORS as error:
            raise layout.damaged(there[0].parent, reason(error)) from error
    unpackable = check_archives(layout)
    if not (unpackable or download):
        raise layout.missing("data.download=false")
    try:
        with network_timeout():
            return make(True)
    except READ_ERRORS as error:
        verb = "unpacked" if unpackable else "downloaded"
        raise layout.missing(f"could not be {verb} ({reason(error)})") from error


def check_archives(layout: Layout) -> bool:
    """Say whether all archives are there.

    Raises:
        DataError: one is there and its md5 is wrong; a download would write over it.
    """
    from torchvision.datasets.utils import check_integrity

    there = [path for path in layout.archives if path.exists()]
    for path in there:
        if not check_integrity(path, layout.archives[path]):
            raise layout.damaged(path, "its md5 is wrong")
    return bool(there) and len(there) == len(layout.archives)


@contextmanager
def network_timeout() -> Iterator[None]:
    """Let connections give up after 20 s; torchvision's never do."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def fetch(url: str, path: Path) -> bool:
    """Download one file, whole or not at all; say whether the server has it.

    Raises:
        OSError: there is no network, or the file cannot be written.
        HTTPException: the connection broke.
    """
    try:
        with network_timeout(), urlopen(url) as response:
            content = response.read()
    except HTTPError as error:
        with error:  # it holds the connection
            if error.code == 404:
                return False
        raise
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.part{os.getpid()}")
    temporary.write_bytes(content)
    temporary.replace(path)
    return True
