"""A result says what it was made with."""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from initlab.results.environment import (
    SUBMITTED_CODE,
    git_diff,
    git_state,
    other_code,
    versions,
    was_other_code,
)


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
    assert git_state(tmp_path) == {"commit": None, "dirty": None, "diff": None}  # no commit yet
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "a")
    clean = git_state(tmp_path)
    assert len(clean["commit"]) == 40
    assert (clean["dirty"], clean["diff"]) == (False, None)
    (tmp_path / "b").write_text("untracked")
    assert git_state(tmp_path) == {**clean, "dirty": True}
    (tmp_path / "a").write_text("2")
    first = git_state(tmp_path)
    (tmp_path / "a").write_text("3")
    assert first["diff"] != git_state(tmp_path)["diff"] != clean["diff"]
    (tmp_path / "a").write_text("2")
    assert git_state(tmp_path) == first


def test_a_new_file_that_can_be_imported_is_a_change_and_so_is_each_edit_of_it(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / ".gitignore").write_text("*.pyc\n")
    git(tmp_path, "add", ".gitignore")
    git(tmp_path, "commit", "-m", "a")
    digests = {git_state(tmp_path)["diff"]}
    new = tmp_path / "src" / "initlab" / "init" / "mine.py"
    new.parent.mkdir(parents=True)
    for content in ("1", "2"):
        new.write_text(content)
        digests.add(git_state(tmp_path)["diff"])
    assert len(digests) == 3
    kept = git_state(tmp_path)["diff"]
    new.with_suffix(".pyc").write_text("ignored")
    (tmp_path / "notes").write_text("nothing imports it")
    assert git_state(tmp_path)["diff"] == kept


def test_other_code_is_told_from_this_by_what_is_not_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("initlab.results.environment.own_code", lambda: {"commit": "c", "diff": "d"})
    assert was_other_code({"commit": "c", "diff": None})
    assert was_other_code({"commit": "c", "diff": "e"})
    assert not was_other_code({"commit": "before", "diff": "d"})
    assert not was_other_code({})


@pytest.mark.parametrize("content", [b"2\n", b"\0\1\2", b"\xff\n"])
def test_the_changes_can_be_applied_to_the_commit(tmp_path: Path, content: bytes) -> None:
    git(tmp_path, "init")
    (tmp_path / "a").write_bytes(b"1\n")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "a")
    (tmp_path / "a").write_bytes(content)
    changes = git_diff(tmp_path)
    assert changes is not None
    git(tmp_path, "checkout", "a")
    patch = tmp_path / "patch"
    patch.write_bytes(changes)
    git(tmp_path, "apply", str(patch))
    assert (tmp_path / "a").read_bytes() == content


def test_a_run_with_other_code_than_it_was_submitted_with_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    first = {"commit": "a" * 40, "dirty": False, "diff": None}
    second = {"commit": "b" * 40, "dirty": True, "diff": "0123"}
    assert other_code(first) is None  # of a run by itself nothing is known
    for submitted, ran, told in (
        (first, first, None),
        (second, {**second, "dirty": False}, None),
        (first, second, "submitted with aaaaaaaaaa, started with bbbbbbbbbb and changes 0123"),
        (
            first,
            {**first, "diff": "4567"},
            "submitted with aaaaaaaaaa, started with aaaaaaaaaa and changes 4567",
        ),
        (first, {"commit": None, "dirty": None, "diff": None}, None),
    ):
        monkeypatch.setenv(SUBMITTED_CODE, json.dumps(submitted))
        assert other_code(ran) == told


def test_no_repository_and_no_git_are_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = {"commit": None, "dirty": None, "diff": None}
    assert git_state(tmp_path) == nothing
    assert git_state(tmp_path / "none") == nothing
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(Path(__file__).parent) == nothing
