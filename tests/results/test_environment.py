"""A result says what it was made with."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from initlab.results.environment import git_state, versions


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def test_versions_are_those_installed() -> None:
    found = versions()
    assert found["torch"] == metadata.version("torch")
    assert found["hydra-core"].startswith("1.3")
    assert {"initlab", "python", "numpy", "lightning"} <= set(found)


def test_reading_results_imports_nothing_heavy() -> None:
    code = (
        "import sys; from initlab.results import environment, store, metrics_csv, identity;"
        "environment.versions();"
        "print({'torch', 'lightning', 'numpy', 'pandas', 'omegaconf', 'yaml'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_git_tells_a_clean_tree_from_a_changed_one(tmp_path: Path) -> None:
    git(tmp_path, "init")
    assert git_state(tmp_path) == {"commit": None, "dirty": None}  # no commit yet
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "a")
    clean = git_state(tmp_path)
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "a").write_text("2")
    assert git_state(tmp_path) == {**clean, "dirty": True}


def test_no_repository_and_no_git_are_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = {"commit": None, "dirty": None}
    assert git_state(tmp_path) == nothing
    assert git_state(tmp_path / "none") == nothing
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(Path(__file__).parent) == nothing
