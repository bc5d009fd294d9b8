"""Write a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from initlab.errors import InitlabError


class OutputError(InitlabError):
    """The output folder cannot be written to: it is full, read-only, or no folder."""

    @classmethod
    def of(cls, path: Path, error: OSError) -> OutputError:
        """Make the sentence for a failed write."""
        reason = (error.strerror or str(error)).lower()
        return cls(f"cannot write {path}: {reason}; free it or choose another paths.output_dir")


def write_text(path: Path, text: str) -> None:
    """Put ``text`` at ``path``, in UTF-8; see :func:`write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``: a reader finds the old file or the new one, never a part.

    It goes to a temporary file in the same folder, to the disk (fsync), and is renamed over the old file.
    Of several writers the last wins.

    Raises:
        OutputError: it could not be written; the old file is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        try:
            with open(temporary, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError.of(path, error) from error


def make_folder(path: Path) -> None:
    """Create a folder and its parents, if they are not there.

    Raises:
        OutputError: it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError.of(path, error) from error
