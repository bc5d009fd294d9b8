"""The store reads every good result, names every damaged one, and finds sweeps by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from initlab.errors import InitlabError
from initlab.results.record import RunResult, Status
from initlab.results.store import NotFound, Store


def write(store: Store, run_id: str, status: Status = "ok") -> RunResult:
    result = RunResult(run_id, status, {"lr": 0.1}, 0, {"val/acc": 0.5}, {}, {}, "cpu", 1.0)
    store.folder(run_id).create()
    store.folder(run_id).write_result(result)
    return result


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    write(store, "aa11")
    write(store, "aa22", "diverged")
    store.folder("bb33").create()
    write(store, "cc44")
    store.folder("cc44").result_path.write_text('{"schema_version": 1, "run')
    return store


def test_an_output_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    store = Store(tmp_path / "none")
    assert (store.results(), store.damaged(), store.sweeps(), store.run_ids()) == ([], [], [], [])
    assert store.states(["aa"]) == {"aa": "missing"}


def test_good_damaged_and_unfinished_runs_are_told_apart(store: Store) -> None:
    (store.output_dir / "runs" / "notes.txt").write_text("no run")
    assert [result.run_id for result in store.results()] == ["aa11", "aa22"]
    [(path, reason)] = store.damaged()
    assert path == store.folder("cc44").result_path
    assert "not whole JSON" in reason
    assert store.unfinished() == ["bb33"]


def test_states_ask_for_a_run_again_where_no_result_can_be_read(store: Store) -> None:
    states = store.states(["aa22", "aa11", "bb33", "cc44", "dd55"])
    assert list(states.items()) == [
        ("aa22", "diverged"),
        ("aa11", "ok"),
        ("bb33", "missing"),
        ("cc44", "missing"),
        ("dd55", "missing"),
    ]


def test_a_prefix_finds_the_one_run_it_starts(store: Store) -> None:
    assert store.find("aa1").run_id == "aa11"
    write(store, "aa1")
    assert store.find("aa1").run_id == "aa1"


@pytest.mark.parametrize(
    ("prefix", "sentence"),
    [
        ("aa", "2 runs start with 'aa': aa11, aa22"),
        ("zz", "there is no run 'zz'"),
        ("", "there is no run ''"),
        ("bb", "run bb33 has no result"),
        ("cc", "is damaged"),
    ],
)
def test_what_cannot_be_found_is_a_sentence(store: Store, prefix: str, sentence: str) -> None:
    with pytest.raises(InitlabError, match=sentence):
        store.find(prefix)


def test_a_sweep_reads_back_with_what_it_left_out(store: Store) -> None:
    cells = [{"run_id": "aa11", "overrides": {"init": "proposed", "seed": 0}}]
    path = store.write_sweep("arpit2019/fig4", {"cells": cells, "command": "python train.py -m"})
    assert path == store.output_dir / "sweeps" / "arpit2019" / "fig4" / "sweep.json"
    store.write_sweep("quickstart", {"cells": [], "experiment": "quickstart"})
    assert store.sweeps() == ["arpit2019/fig4", "quickstart"]
    manifest = store.read_sweep("arpit2019/fig4")
    assert manifest["cells"] == cells
    assert manifest["schema_version"] == 1
    assert manifest["experiment"] is None
    assert manifest["created"]


def test_a_sweep_of_another_name_is_offered(store: Store) -> None:
    with pytest.raises(NotFound, match=r"there is no sweep 'quickstrat' .* holds no sweep yet"):
        store.read_sweep("quickstrat")
    store.write_sweep("quickstart", {"cells": []})
    with pytest.raises(NotFound, match="did you mean quickstart"):
        store.read_sweep("quickstrat")


@pytest.mark.parametrize("name", ["", "/etc", "../other", "a/../../b"])
def test_a_name_that_leads_out_of_the_folder_is_refused(store: Store, name: str) -> None:
    with pytest.raises(InitlabError, match="is no name for a sweep"):
        store.write_sweep(name, {"cells": []})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"schema_version": 1, "ce', "Unterminated|delimiter"),
        ("[]", "no manifest"),
        ('{"schema_version": 2, "cells": []}', "schema 2"),
        ('{"schema_version": 1}', "no cells"),
        ('{"schema_version": 1, "cells": [{"run_id": 3}]}', "a cell has no run_id"),
    ],
)
def test_a_damaged_manifest_is_a_sentence(store: Store, content: str, reason: str) -> None:
    store.write_sweep("quickstart", {"cells": []}).write_text(content)
    with pytest.raises(ValueError, match=rf"sweep\.json is damaged: .*({reason})"):
        store.read_sweep("quickstart")


def test_a_manifest_without_cells_is_not_written_over_a_good_one(store: Store) -> None:
    path = store.write_sweep("quickstart", {"cells": []})
    bad: list[Any] = [{"overrides": {}}]
    with pytest.raises(ValueError, match="a cell has no run_id"):
        store.write_sweep("quickstart", {"cells": bad})
    assert json.loads(path.read_text())["cells"] == []
