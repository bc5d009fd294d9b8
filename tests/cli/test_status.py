"""``status`` counts every run once, and names what cannot be read."""

import dataclasses
from typing import Any

from initlab.results.store import Store


def row(stdout: str, name: str) -> list[str]:
    [line] = [line for line in stdout.splitlines() if line.strip().startswith(name)]
    return line.split()[-7:]


def test_counts_each_sweep_and_all_runs(type_: Any, store: Store) -> None:
    stdout = type_("status").stdout
    assert row(stdout, "sweep") == ["runs", "ok", "diverged", "crashed", "killed", "refused", "missing"]
    assert row(stdout, "quickstart") == ["4", "1", "1", "1", "·", "·", "1"]
    assert row(stdout, "all runs") == ["5", "1", "1", "1", "·", "·", "2"]
    assert "ee55/result.json is damaged" in stdout


def test_counts_one_sweep_alone(type_: Any, store: Store) -> None:
    stdout = type_("status", "quickstart").stdout
    assert row(stdout, "quickstart")[0] == "4"
    assert "all runs" not in stdout


def test_runs_on_other_code_than_was_submitted_are_named(type_: Any, store: Store) -> None:
    assert "other code" not in type_("status", "quickstart").stdout
    result = store.find("aa11")
    store.folder("aa11").write_result(
        dataclasses.replace(result, other_code="submitted with a, started with b")
    )
    for words in (("status",), ("status", "quickstart")):
        assert "1 runs started on other code than was submitted: aa11" in type_(*words).stdout
    assert "submitted with a, started with b" in type_("show", "aa11").stdout
