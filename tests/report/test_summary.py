"""A report says mean, spread and counts, and is written whole from results alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from initlab.report import summary
from initlab.report.groups import compare
from initlab.results.atomic import OutputError
from initlab.results.store import NotFound, Store

Fabricate = Callable[..., None]
CELLS: list[Any] = [
    *[("pytorch", 0.1, seed, "ok", 0.25) for seed in range(2)],
    *[("pytorch", 1.0, seed, "diverged", None) for seed in range(2)],
    *[("proposed", 0.1, seed, "ok", 0.75 + 0.125 * seed) for seed in range(2)],
    ("proposed", 1.0, 0, "ok", 0.5),
    ("proposed", 1.0, 1, "crashed", None),
]


def test_tables_show_mean_and_spread_at_the_best_rate_and_at_all(fabricate: Fabricate, store: Store) -> None:
    fabricate(CELLS)
    (header, best), (_, every) = summary.tables(compare(store, "quickstart")).values()
    assert header == ["init", "lr", "val acc (%)", "test acc (%)", "n", "diverged", "crashed"]
    assert best == [
        ["pytorch", "0.1*", "25.0 ± 0.0", "12.5 ± 0.0", "2", "0", "0"],
        ["proposed", "0.1*", "81.2 ± 8.8", "68.8 ± 8.8", "2", "0", "0"],
    ]
    assert every[1] == ["pytorch", "1", "—", "—", "0", "2", "0"]
    assert every[3] == ["proposed", "1", "50.0", "37.5", "1", "0", "1"]


def test_a_mean_over_runs_of_code_that_changed_in_between_is_told(fabricate: Fabricate, store: Store) -> None:
    fabricate(CELLS)
    assert "changed without a commit" not in summary.markdown(compare(store, "quickstart"), None)
    comparison = compare(store, "quickstart")
    run = next(run for run in comparison.runs if run.series == "proposed" and run.lr == 0.1)
    path = store.folder(run.run_id).result_path
    path.write_text(json.dumps(json.loads(path.read_text()) | {"git": {"commit": "c", "diff": "d"}}))
    told = summary.notes(compare(store, "quickstart"))
    assert len(told) == 1
    assert told[0].startswith("proposed at lr 0.1: between its runs the code was changed without a commit")
    assert told[0] in summary.markdown(compare(store, "quickstart"), None)


def test_runs_that_are_missing_or_killed_have_a_column_only_where_there_are_any(
    fabricate: Fabricate, store: Store
) -> None:
    fabricate([*CELLS, ("he", 0.1, 0, "missing", None), ("he", 0.1, 1, "killed", None)])
    header, rows = summary.tables(compare(store, "quickstart"))["Every learning rate"]
    assert header[-2:] == ["killed", "missing"]
    assert rows[-1][-2:] == ["1", "1"]


def test_the_console_shows_what_the_file_says(fabricate: Fabricate, store: Store) -> None:
    fabricate(CELLS)
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(summary.table(store, "quickstart"))
    shown = console.export_text()
    text = summary.markdown(compare(store, "quickstart"), None)
    for line in ("5 of 8 runs finished, 2 diverged, 1 crashed", "81.2 ± 8.8", "a diverged run counts as 0"):
        assert line in shown
        assert line in text
    assert "python train.py -m experiment=quickstart" in text


def test_writes_two_pictures_and_the_tables_with_a_link(fabricate: Fabricate, store: Store) -> None:
    fabricate(CELLS, name="arpit2019/fig4")
    paths = summary.write(store, "arpit2019/fig4")
    folder = store.output_dir / "report" / "arpit2019"
    assert paths == [folder / "fig4.png", folder / "fig4.svg", folder / "fig4.md"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert "(fig4.png)" in paths[2].read_text()
    assert sorted(folder.iterdir()) == sorted(paths)


def test_draws_the_same_file_from_the_same_results(fabricate: Fabricate, store: Store) -> None:
    fabricate(CELLS)
    once = [path.read_bytes() for path in summary.write(store, "quickstart")]
    assert [path.read_bytes() for path in summary.write(store, "quickstart")] == once


def test_a_sweep_without_any_accuracy_has_tables_and_no_picture(fabricate: Fabricate, store: Store) -> None:
    fabricate([("he", 0.1, 0, "missing", None), ("he", 0.1, 1, "crashed", None)])
    [path] = summary.write(store, "quickstart")
    assert path.name == "quickstart.md"
    assert "0 of 2 runs finished, 1 crashed, 1 missing" in path.read_text()
    assert "![" not in path.read_text()


def test_a_sweep_that_is_not_there_writes_nothing(store: Store) -> None:
    with pytest.raises(NotFound):
        summary.write(store, "nope")
    assert not (store.output_dir / "report").exists()


def test_a_report_folder_that_cannot_be_made_is_a_sentence(fabricate: Fabricate, store: Store) -> None:
    fabricate(CELLS)
    Path(store.output_dir / "report").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot write .*report"):
        summary.write(store, "quickstart")
