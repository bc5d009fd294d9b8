"""Where the configuration files lie."""

from pathlib import Path


def configs_dir() -> Path:
    """Return ``configs/`` of the repository that this package stands in, else the copy in the wheel."""
    package = Path(__file__).resolve().parent
    repository = package.parents[1] / "configs"
    return repository if repository.is_dir() else package / "_configs"
