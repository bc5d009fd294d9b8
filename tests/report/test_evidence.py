"""Whatever is damaged, missing or doubled is left out in a sentence, and what is good is still there."""

import json
import lzma
from pathlib import Path

import pytest

from fabricated import config_of, fabricate
from initlab.report.evidence import gather
from initlab.results import identity
from initlab.results.recorded import Recorded
from initlab.results.store import Store

CLAIM = "arpit2019/fig4"
CELLS = [({"init": "proposed", "lr": "0.1", "seed": seed}, "ok", {"test/acc": 0.5}) for seed in range(3)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "outputs")


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    (tmp_path / "papers" / "arpit2019").mkdir(parents=True)
    path = tmp_path / "papers" / f"{CLAIM}.csv"
    path.write_text("# p. 8\ninit,metric,value,spread,n,source\nproposed,test/acc,0.9,,5,table\n")
    return tmp_path / "papers"


def test_whole_results_need_no_note(store: Store, papers: Path) -> None:
    fabricate(store, CLAIM, CELLS)
    evidence = gather(CLAIM, CLAIM, store, papers=papers)
    assert evidence.notes == ()
    assert [cell.status for cell in evidence.cells] == ["ok"] * 3
    assert evidence.origin == "3 from the output folder"
    assert not evidence.reduced
    assert evidence.published.remarks == ("p. 8",)


def test_the_scale_stands_in_the_manifest(store: Store, papers: Path) -> None:
    fabricate(store, f"{CLAIM}-laptop", CELLS, scale="laptop")
    fabricate(store, f"{CLAIM}-abc123", CELLS, scale="laptop")
    assert gather(f"{CLAIM}-laptop", CLAIM, store, papers=papers).reduced
    assert gather(f"{CLAIM}-abc123", CLAIM, store, papers=papers).reduced


def test_a_claim_that_has_not_run_has_its_published_numbers(store: Store, papers: Path) -> None:
    evidence = gather(CLAIM, CLAIM, store, papers=papers)
    assert (evidence.cells, evidence.notes) == ((), ())
    assert len(evidence.published.numbers) == 1


def test_a_damaged_result_is_left_out_in_a_sentence(store: Store, papers: Path) -> None:
    damaged, *_ = fabricate(store, CLAIM, CELLS)
    store.folder(damaged).result_path.write_text("{")
    evidence = gather(CLAIM, CLAIM, store, papers=papers)
    assert [cell.status for cell in evidence.cells] == ["missing", "ok", "ok"]
    [note] = evidence.notes
    assert note.startswith("Left out: ")
    assert f"{damaged}/result.json is damaged: it is not whole JSON" in note


def test_many_damaged_results_are_counted(store: Store, papers: Path) -> None:
    ids = fabricate(store, CLAIM, [({"seed": seed}, "ok", {}) for seed in range(9)])
    for run_id in ids:
        store.folder(run_id).result_path.write_text("{")
    notes = gather(CLAIM, CLAIM, store, papers=papers).notes
    assert len(notes) == 4
    assert notes[-1] == "Left out: 6 more results that are damaged."


def test_a_damaged_manifest_leaves_the_published_numbers(store: Store, papers: Path) -> None:
    fabricate(store, CLAIM, CELLS)
    store.sweep_path(CLAIM).write_text("[]")
    evidence = gather(CLAIM, CLAIM, store, papers=papers)
    assert evidence.cells == ()
    assert len(evidence.published.numbers) == 1
    assert "sweep.json is damaged: it holds no manifest" in evidence.notes[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("init,value\n", "its columns must end with metric, value, spread, n, source"),
        ("init,metric,value,spread,n,source\na,test/acc,high,,,t\n", "row 1: could not convert"),
        ("init,metric,value,spread,n,source\na,test/acc\n", "row 1 has 2 cells and the header 6"),
    ],
)
def test_damaged_published_numbers_leave_ours(store: Store, papers: Path, text: str, reason: str) -> None:
    (papers / f"{CLAIM}.csv").write_text(text)
    fabricate(store, CLAIM, CELLS)
    evidence = gather(CLAIM, CLAIM, store, papers=papers)
    assert evidence.count("ok") == 3
    assert evidence.notes[0].startswith("Left out: the published numbers.")
    assert reason in evidence.notes[0]


def test_two_results_for_one_cell_are_shown_and_said_to_be(store: Store, papers: Path) -> None:
    first, second = fabricate(
        store,
        CLAIM,
        [({"init": "proposed", "seed": 0, "batch_size": size}, "ok", {"test/acc": 0.5}) for size in (1, 2)],
    )
    manifest = store.read_sweep(CLAIM)
    for cell in manifest["cells"]:
        del cell["overrides"]["batch_size"]
    store.write_sweep(CLAIM, manifest)
    evidence = gather(CLAIM, CLAIM, store, papers=papers)
    assert [cell.run_id for cell in evidence.cells] == [first, second]
    assert evidence.notes[0].startswith(f"Two results for one cell: 1 run ({second}) have the overrides")


def test_one_run_that_is_named_twice_is_one(store: Store, papers: Path) -> None:
    fabricate(store, CLAIM, [*CELLS, CELLS[0]])
    evidence = gather(CLAIM, CLAIM, store, papers=papers)
    assert len(evidence.cells) == 3
    assert evidence.notes == ()


def test_results_of_two_versions_of_the_numbers_do_not_mix(
    store: Store, papers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = fabricate(store, "old", CELLS[:1])
    monkeypatch.setattr(identity, "NUMBERS_VERSION", identity.NUMBERS_VERSION + 1)
    new = fabricate(store, "new", CELLS[1:])
    assert old[0] == identity.run_id(config_of(CELLS[0][0]), identity.NUMBERS_VERSION - 1)
    cells = store.read_sweep("old")["cells"] + store.read_sweep("new")["cells"]
    store.write_sweep(CLAIM, {"cells": cells})
    evidence = gather(CLAIM, CLAIM, store, papers=papers)
    assert [cell.run_id for cell in evidence.cells if cell.result] == new
    assert f"Left out: 1 run ({old[0]}), made under an older version of the numbers" in evidence.notes[0]


def test_results_that_are_all_old_are_shown_and_said_to_be(
    store: Store, papers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fabricate(store, CLAIM, CELLS)
    newer = identity.NUMBERS_VERSION + 1
    monkeypatch.setattr(identity, "NUMBERS_VERSION", newer)
    monkeypatch.setattr("initlab.report.evidence.NUMBERS_VERSION", newer)
    evidence = gather(CLAIM, CLAIM, store, papers=papers)
    assert evidence.count("ok") == 3
    assert evidence.notes[0].startswith(f"All results have version {newer - 1} of the numbers")


def recorded_from(store: Store, tmp_path: Path, papers: Path) -> Recorded:
    recorded = Recorded(tmp_path / "docs")
    evidence = gather(CLAIM, CLAIM, store, papers=papers)
    recorded.write(CLAIM, evidence.manifest, evidence.results, evidence.tables)
    return recorded


def test_a_fresh_clone_sees_the_record(store: Store, tmp_path: Path, papers: Path) -> None:
    ids = fabricate(store, CLAIM, [(axes, status, {**more, "val/acc": 0.5}) for axes, status, more in CELLS])
    recorded = recorded_from(store, tmp_path, papers)
    evidence = gather(CLAIM, CLAIM, Store(tmp_path / "nothing"), recorded, papers)
    assert evidence.origin == "3 from the record in docs/results"
    assert evidence.results == gather(CLAIM, CLAIM, store, papers=papers).results
    assert evidence.tables(ids[0]) == gather(CLAIM, CLAIM, store, papers=papers).tables(ids[0])
    assert len(evidence.tables(ids[0])["metrics"]) == 3


def test_results_in_the_output_folder_win_over_the_record(store: Store, tmp_path: Path, papers: Path) -> None:
    first, *_ = fabricate(store, CLAIM, CELLS)
    recorded = recorded_from(store, tmp_path, papers)
    fabricate(store, CLAIM, [(axes, status, {"test/acc": 0.6}) for axes, status, _ in CELLS])
    evidence = gather(CLAIM, CLAIM, store, recorded, papers)
    assert {cell.metric("test/acc") for cell in evidence.cells} == {0.6}
    assert "Two results for one cell: 3 runs" in evidence.notes[0]
    store.folder(first).result_path.unlink()
    evidence = gather(CLAIM, CLAIM, store, recorded, papers)
    assert evidence.origin == "2 from the output folder and 1 from the record in docs/results"
    assert evidence.count("missing") == 0


def test_a_sweep_that_has_begun_does_not_hide_the_record(store: Store, tmp_path: Path, papers: Path) -> None:
    fabricate(store, CLAIM, CELLS)
    recorded = recorded_from(store, tmp_path, papers)
    begun = Store(tmp_path / "begun")
    fabricate(begun, CLAIM, [({"init": "proposed", "lr": "0.5", "seed": 0}, "missing", {})])
    assert gather(CLAIM, CLAIM, begun, recorded, papers).count("ok") == 3


def test_a_damaged_record_is_a_sentence(store: Store, tmp_path: Path, papers: Path) -> None:
    fabricate(store, CLAIM, CELLS)
    recorded = recorded_from(store, tmp_path, papers)
    runs = recorded.root / CLAIM / "runs.jsonl.xz"
    lines = lzma.decompress(runs.read_bytes()).decode().splitlines()
    runs.write_bytes(lzma.compress("\n".join([lines[0], "{", lines[2]]).encode()))
    fresh = Store(tmp_path / "fresh")
    evidence = gather(CLAIM, CLAIM, fresh, recorded, papers)
    assert evidence.count("ok") == 2
    assert "line 2 of" in evidence.notes[0]
    runs.write_bytes(b"no xz")
    evidence = gather(CLAIM, CLAIM, fresh, recorded, papers)
    assert evidence.cells == ()
    assert "runs.jsonl.xz is damaged" in evidence.notes[0]


def test_the_same_results_are_recorded_as_the_same_bytes(store: Store, tmp_path: Path, papers: Path) -> None:
    fabricate(store, CLAIM, CELLS)
    recorded = recorded_from(store, tmp_path, papers)
    files = [recorded.root / CLAIM / name for name in ("sweep.json", "runs.jsonl.xz")]
    before = [path.read_bytes() for path in files]
    recorded_from(store, tmp_path, papers)
    assert [path.read_bytes() for path in files] == before
    assert json.loads(before[0])["cells"] == store.read_sweep(CLAIM)["cells"]
