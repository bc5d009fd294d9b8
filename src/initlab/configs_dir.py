"""Where the configs are: beside ``src`` in a repository, within the package where it is installed."""

from __future__ import annotations

from pathlib import Path

from initlab.errors import ConfigError


def configs_dir(package: Path = Path(__file__).parent) -> Path:
    """Return the folder of ``train.yaml`` and the config groups.

    Args:
        package: the folder of the package ``initlab``.

    Raises:
        ConfigError: it is at neither place.
    """
    candidates = [package.parent.parent / "configs", package / "_configs"]
    for index, candidate in enumerate(candidates):
        # In site-packages, two folders up may be anything: only `src/initlab` has configs of ours there.
        if candidate.is_dir() and (index or package.parent.name == "src"):
            return candidate.resolve()
    raise ConfigError(
        f"there is no configs folder at {candidates[0]} or {candidates[1]}: install initlab anew"
    )
