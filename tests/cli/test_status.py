"""``status`` counts every run once, and names what cannot be read."""

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
