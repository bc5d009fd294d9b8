"""Where configs and published numbers are: beside ``src`` in a repository, else within the package."""

from __future__ import annotations

from pathlib import Path

from initlab.errors import ConfigError

PACKAGE = Path(__file__).parent


def configs_dir(package: Path = PACKAGE) -> Path:
    """Return the folder of ``train.yaml`` and the config groups.

    Args:
        package: the folder of the package ``initlab``.

    Raises:
        ConfigError: it is at neither place.
    """
    return shipped("configs", package)


def shipped(name: str, package: Path = PACKAGE) -> Path:
    """Return a folder of the repository that the wheel holds too, under ``_<name>``.

    Raises:
        ConfigError: it is at neither place.
    """
    candidates = [package.parent.parent / name, package / f"_{name}"]
    for index, candidate in enumerate(candidates):
        # In site-packages, two folders up may be anything: only `src/initlab` has folders of ours there.
        if candidate.is_dir() and (index or package.parent.name == "src"):
            return candidate.resolve()
    raise ConfigError(
        f"there is no {name} folder at {candidates[0]} or {candidates[1]}: install initlab anew"
    )
