"""The checkpoint that a run goes on from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

from initlab.errors import ConfigError


class Resumable(Protocol):
    """Knows the checkpoint of a run."""

    @property
    def last(self) -> Path:
        """The file to go on from."""

    def check(self, path: Path) -> None:
        """Make sure that the run can go on from a file; raise ConfigError."""


def checkpoint_to_resume(ckpt_path: str | None, checkpoint: Resumable) -> Path | None:
    """Return the checkpoint to go on from, or None to start anew.

    Raises:
        ConfigError: the file asked for is missing, damaged or of another configuration.
    """
    if ckpt_path is None or (ckpt_path == "auto" and not checkpoint.last.exists()):
        return None
    path = checkpoint.last if ckpt_path in ("auto", "last") else Path(ckpt_path)
    try:
        checkpoint.check(path)
    except ConfigError as error:
        if ckpt_path != "auto":
            raise
        print(f"{error}; starting anew", file=sys.stderr)
        return None
    return path
