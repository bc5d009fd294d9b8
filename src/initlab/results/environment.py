"""What a run was made with: package versions and the state of the repository."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from initlab.configs_dir import configs_dir

SUBMITTED_CODE = "INITLAB_SUBMITTED_CODE"  # git_state of the process that planned the run, as JSON

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
    "gymnasium",
    "ale-py",
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
    """Return the ``commit`` checked out at ``root`` and what differs from it.

    ``dirty``: whether any file does; ``diff``: 12 hex digits of the changes of tracked files and of the new
    ones under ``src`` and ``configs``, None without any. All are None where there is no git, no repository,
    or no commit yet.
    """
    commit = (_git(root, "rev-parse", "--verify", "HEAD") or b"").decode().strip() or None
    changes = _git(root, "status", "--porcelain") if commit else None
    changed = (git_diff(root) or b"") + _new_files(Path(root)) if changes else None
    digest = hashlib.sha256(changed).hexdigest()[:12] if changed else None
    return {"commit": commit, "dirty": None if changes is None else bool(changes), "diff": digest}


def _new_files(root: Path) -> bytes:
    """Return name and content of each file that git does not know yet, such as an init being written."""
    listed = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", "src", "configs") or b""
    parts = []
    for name in listed.split(b"\0")[:-1]:
        with suppress(OSError):  # it went away meanwhile
            parts += [name, (root / os.fsdecode(name)).read_bytes()]
    return b"\0".join(parts)


def git_diff(root: str | Path) -> bytes | None:
    """Return the changes of tracked files since the commit, as ``git apply`` reads them; None without git."""
    return _git(root, "diff", "--no-ext-diff", "--no-color", "--binary", "HEAD")


@cache
def own_code() -> dict[str, Any]:
    """Return :func:`git_state` of this project as this process first found it, which is what it imported."""
    return git_state(configs_dir().parent)


def other_code(git: Mapping[str, Any]) -> str | None:
    """Say where the code of a run differs from the code that it was planned with; None where it does not.

    Args:
        git: :func:`git_state` of the run.
    """
    told = os.environ.get(SUBMITTED_CODE)
    submitted = json.loads(told) if told else None
    if not submitted or not submitted["commit"] or not git["commit"]:
        return None
    if (submitted["commit"], submitted["diff"]) == (git["commit"], git["diff"]):
        return None
    return f"submitted with {_named(submitted)}, started with {_named(git)}"


def was_other_code(git: Mapping[str, Any]) -> bool:
    """Whether what is not committed was another when a run was made than it is now; not, where none knows.

    Args:
        git: :func:`git_state` of the run.
    """
    return "diff" in git and git["diff"] != own_code()["diff"]


def _named(git: Mapping[str, Any]) -> str:
    return f"{git['commit'][:10]}" + (f" and changes {git['diff']}" if git["diff"] else "")


def _git(root: str | Path, *arguments: str) -> bytes | None:
    """Return what a git command prints, or None where it fails."""
    # Within a hook git sets GIT_DIR and the like, which would point it at the hook's repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=20, env=environment, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
