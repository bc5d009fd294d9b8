"""The configs are found in a repository and in an installed package."""

from pathlib import Path

import pytest

from initlab.configs_dir import configs_dir
from initlab.errors import ConfigError


def test_a_repository_has_them_beside_src() -> None:
    assert (configs_dir() / "init" / "proposed.yaml").is_file()


def test_an_installed_package_carries_them(tmp_path: Path) -> None:
    package = tmp_path / "lib" / "site-packages" / "initlab"
    (package / "_configs").mkdir(parents=True)
    (tmp_path / "lib" / "configs").mkdir()  # of somebody else
    assert configs_dir(package) == (package / "_configs").resolve()


def test_none_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no configs folder at"):
        configs_dir(tmp_path / "src" / "initlab")
