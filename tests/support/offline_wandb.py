"""Runs with ``logger=wandb`` that never look for an account and write below one folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from initlab.results.identity import run_id
from initlab.results.run_folder import RunFolder
from initlab.sweep.compose import Composer, config_loader
from wandb_file import WandbFile


@contextmanager
def no_account(folder: Path) -> Iterator[pytest.MonkeyPatch]:
    """Within it wandb finds no login, and keeps what it stages below the folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_BASE_URL", "WANDB_MODE"):
            patch.delenv(name, raising=False)
        patch.setenv("NETRC", str(folder / "netrc"))
        for name in ("DATA", "CACHE", "CONFIG"):
            patch.setenv(f"WANDB_{name}_DIR", str(folder / name.lower()))
        yield patch


def composed(folder: Path, *arguments: str) -> dict[str, Any]:
    with config_loader() as loader:
        return Composer(loader).compose([f"paths.output_dir={folder}", "logger=wandb", *arguments])


def read(pattern: str, folder: Path) -> list[WandbFile]:
    """The files below a folder, oldest first, once wandb's own process has written the last of them."""
    import wandb

    wandb.teardown()  # `finish` returns before that
    return [WandbFile.read(path) for path in sorted(folder.glob(pattern))]


def files(config: dict[str, Any]) -> list[WandbFile]:
    """The offline files of a run, oldest first."""
    folder = RunFolder(config["paths"]["output_dir"], run_id(config)).path
    return read(f"wandb/offline-run-*/run-{run_id(config)}.wandb", folder)
