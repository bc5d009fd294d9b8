"""A record holds all that a report reads, and says of each line that is damaged which it is."""

from pathlib import Path

import pytest

from fabricated import fabricate
from initlab.results.record import Damaged
from initlab.results.recorded import Recorded, tables_of
from initlab.results.store import Store


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    store, recorded = Store(tmp_path / "outputs"), Recorded(tmp_path / "docs")
    ids = fabricate(store, "a/b", [({"seed": seed}, "ok", {"val/acc": 0.1 + seed}) for seed in range(3)])
    (store.folder(ids[0]).path / "signal.csv").write_text("layer,ratio\nx,1.5\ny,nan\n")
    manifest = store.read_sweep("a/b")
    recorded.write("a/b", manifest, store.results(), lambda run_id: tables_of(store.folder(run_id)))
    assert recorded.sweeps() == ["a/b"]
    assert recorded.read_sweep("a/b") == manifest
    runs = recorded.read_runs("a/b")
    assert {run_id: result for run_id, (result, _) in runs.items()} == store.get(sorted(ids))
    tables = runs[ids[0]][1]
    assert tables["metrics"] == tables_of(store.folder(ids[0]))["metrics"]
    assert tables["signal"] == [{"layer": "x", "ratio": 1.5}, {"layer": "y", "ratio": "nan"}]


def test_what_is_not_there_is_nothing_and_what_is_damaged_is_a_sentence(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    assert recorded.sweeps() == []
    assert recorded.read_sweep("a/b") is None
    assert recorded.read_runs("a/b") == {}
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "sweep.json").write_text("{")
    (tmp_path / "a" / "b" / "runs.jsonl.xz").write_bytes(b"")
    with pytest.raises(Damaged, match=r"sweep.json is damaged"):
        recorded.read_sweep("a/b")
    (tmp_path / "a" / "b" / "runs.jsonl.xz").write_bytes(b"no")
    with pytest.raises(Damaged, match=r"runs.jsonl.xz is damaged"):
        recorded.read_runs("a/b")
