"""What a run was made with: package versions and the state of the repository."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "initlab",
    "torch",
    "torchvision",
    "lightning",
    "torchmetrics",
    "hydra-core",
    "omegaconf",
    "numpy",
    "scikit-learn",
    "timm",
    "safetensors",
    "wandb",
)


def versions() -> dict[str, str]:
    """Return the versions of what numbers can depend on, by name, without importing any of it.

    A package that is not installed is left out.
    """
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def git_state(root: str | Path) -> dict[str, Any]:
    """Return the ``commit`` checked out at ``root`` and whether files differ from it (``dirty``).

    Both are None where there is no git, no repository, or no commit yet.
    """
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    changes = _git(root, "status", "--porcelain") if commit else None
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _git(root: str | Path, *arguments: str) -> str | None:
    """Return what a git command prints, or None where it fails."""
    # Within a hook git sets GIT_DIR and the like, which would point it at the hook's repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=20, env=environment, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
