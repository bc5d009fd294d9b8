"""The file to go on from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from initlab.errors import ConfigError


class Checkpoint:
    """``last.ckpt``: weights, the optimizer's statistics and all counts, of a run.

    It is written beside its name and then renamed. Environments cannot be saved: a run that goes on from it
    begins new episodes.

    Args:
        folder: where it goes.
        run_id: written into it, so that no other configuration goes on from it.
    """

    def __init__(self, folder: Path, run_id: str) -> None:
        self.folder, self.run_id = folder, run_id

    @property
    def last(self) -> Path:
        """The file."""
        return self.folder / "last.ckpt"

    def write(self, state: Mapping[str, Any]) -> None:
        """Write it over the older one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.last.with_suffix(".tmp")
        torch.save({**state, "run_id": self.run_id}, temporary)
        os.replace(temporary, self.last)

    def read(self, path: Path) -> dict[str, Any]:
        """Read a file.

        Raises:
            ConfigError: it is missing or damaged, or of another configuration.
        """
        if not path.exists():
            raise ConfigError(f"there is no checkpoint {path}")
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True)
            found = state["run_id"]
        except Exception as error:  # torch raises whatever the damaged bytes lead it to
            raise ConfigError(
                f"the checkpoint {path} cannot be read; ckpt_path=null starts the run anew"
            ) from error
        if found != self.run_id:
            told = f"of run {found}, not {self.run_id}"
            raise ConfigError(f"the checkpoint {path} is of another configuration: {told}")
        return state

    def check(self, path: Path) -> None:
        """Make sure that this run can go on from a file.

        Raises:
            ConfigError: as :meth:`read`.
        """
        self.read(path)
