"""A report says mean, spread and counts, and is written whole from results alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fabricated import fabricate as fabricate_metrics
from initlab.report.comparison import compare
from initlab.report.site import write_sweep
from initlab.report.sweep_report import SweepReport, as_latex, as_markdown
from initlab.report.table import terminal
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


ENDS = "last layer before the head"


def of(store: Store, name: str = "quickstart") -> SweepReport:
    return SweepReport(compare(store, name))


def test_tables_show_mean_and_spread_at_the_best_rate_and_at_all(fabricate: Fabricate, store: Store) -> None:
    fabricate(CELLS)
    best, against, every = of(store).tables
    assert best.columns == ("init", "lr", "val acc (%)", "test acc (%)", "n", "diverged", "crashed")
    assert best.rows == (
        ("pytorch", "0.1*", "25.0 ± 0.0", "12.5 ± 0.0", "2", "0", "0"),
        ("proposed", "0.1*", "81.2 ± 8.8", "68.8 ± 8.8", "2", "0", "0"),
    )
    assert against.rows == (("pytorch", "—", "—", "2 and 2", "no verdict: n < 3"),)
    assert every.rows[1] == ("pytorch", "1", "—", "—", "0", "2", "0")
    assert every.rows[3] == ("proposed", "1", "50.0", "37.5", "1", "0", "1")


def test_the_best_is_held_against_the_others_with_a_diverged_run_as_nothing(
    fabricate: Fabricate, store: Store
) -> None:
    fabricate(
        [
            *[("proposed", 0.1, seed, "ok", 0.7 + 0.1 * seed) for seed in range(3)],
            *[("close", 0.1, seed, "ok", 0.65 + 0.1 * seed) for seed in range(3)],
            *[("far", 0.1, seed, "ok", 0.225 + 0.1 * seed) for seed in range(3)],
            *[("apt to diverge", 0.1, seed, "ok", 0.9) for seed in range(2)],
            ("apt to diverge", 0.1, 2, "diverged", None),
        ]
    )
    against = of(store).tables[1]
    assert against.columns[:2] == ("proposed against", "test acc more by")
    rows = {row[0]: row[1:] for row in against.rows}
    assert list(rows) == ["close", "far", "apt to diverge"]
    assert (rows["far"][0], rows["far"][2], rows["far"][3]) == ("47.5", "3 and 3", "is better")
    assert (rows["close"][0], rows["close"][3]) == ("5.0", "undecided")
    low, high = map(float, rows["far"][1].strip("[]").split(", "))
    assert 0 < low < 47.5 < high
    # In test accuracies 77.5, 77.5 and 0 are 51.7, and not 77.5.
    assert (rows["apt to diverge"][0], rows["apt to diverge"][3]) == ("15.8", "undecided")


def test_runs_of_code_that_changed_in_between_are_told(fabricate: Fabricate, store: Store) -> None:
    fabricate(CELLS)
    assert of(store).told == []
    path = store.folder(of(store).comparison.runs[-3].run_id).result_path
    path.write_text(json.dumps(json.loads(path.read_text()) | {"git": {"commit": "c", "diff": "d"}}))
    [told] = of(store).told
    assert told.startswith("Between these runs the code was changed without a commit, to 2 states in all")
    assert told in as_markdown(of(store))


def test_a_damaged_result_is_left_out_and_told(fabricate: Fabricate, store: Store) -> None:
    fabricate(CELLS)
    store.folder(of(store).comparison.runs[0].run_id).result_path.write_text("{")
    report = of(store)
    assert report.heading.startswith("quickstart: 4 of 8 runs finished, 2 diverged, 1 crashed, 1 missing")
    assert len(report.told) == 1
    assert report.told[0].startswith("Left out: ")


def test_runs_that_are_missing_or_killed_have_a_column_only_where_there_are_any(
    fabricate: Fabricate, store: Store
) -> None:
    fabricate([*CELLS, ("he", 0.1, 0, "missing", None), ("he", 0.1, 1, "killed", None)])
    every = of(store).tables[-1]
    assert every.columns[-2:] == ("killed", "missing")
    assert every.rows[-1][-2:] == ("1", "1")


def test_the_console_and_every_file_say_the_same(fabricate: Fabricate, store: Store) -> None:
    fabricate(CELLS)
    report = of(store)
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(*terminal(report.tables))
    page, *_ = write_sweep(report, store.output_dir / "report")
    latex = as_latex(report).replace(r"$\pm$", "±")
    for shown in (console.export_text(), as_markdown(report), latex, page.read_text()):
        for words in ("81.2 ± 8.8", "50.0", "a diverged run counts as 0"):
            assert words in shown
    for shown in (as_markdown(report), page.read_text()):
        assert "5 of 8 runs finished, 2 diverged, 1 crashed" in shown
        assert "python train.py -m experiment=quickstart" in shown


def test_writes_a_page_two_pictures_and_the_tables_with_a_link(fabricate: Fabricate, store: Store) -> None:
    fabricate(CELLS, name="mine/lr")
    paths = write_sweep(of(store, "mine/lr"), store.output_dir / "report")
    folder = store.output_dir / "report" / "mine"
    assert paths == [folder / f"lr.{kind}" for kind in ("html", "png", "svg", "md", "tex")]
    assert paths[1].read_bytes().startswith(b"\x89PNG")
    assert "(lr.png)" in paths[3].read_text()
    assert sorted(folder.iterdir()) == sorted(paths)


def test_the_page_leads_to_an_index_where_there_is_one(fabricate: Fabricate, store: Store) -> None:
    fabricate(CELLS, name="mine/lr")
    folder = store.output_dir / "report"
    link = '<a href="../index.html">'
    assert link not in write_sweep(of(store, "mine/lr"), folder)[0].read_text()
    assert link in write_sweep(of(store, "mine/lr"), folder, index=True)[0].read_text()
    (folder / "index.html").write_text("")
    assert link in write_sweep(of(store, "mine/lr"), folder)[0].read_text()


def test_draws_the_same_files_from_the_same_results(fabricate: Fabricate, store: Store) -> None:
    fabricate(CELLS)
    once, again = (
        [path.read_bytes() for path in write_sweep(of(store), store.output_dir / "report")] for _ in range(2)
    )
    assert once == again


def test_a_sweep_without_any_number_has_a_page_and_no_picture(fabricate: Fabricate, store: Store) -> None:
    fabricate([("he", 0.1, 0, "missing", None), ("he", 0.1, 1, "crashed", None)])
    page, text, _ = write_sweep(of(store), store.output_dir / "report")
    assert "0 of 2 runs finished, 1 crashed, 1 missing" in text.read_text()
    assert "![" not in text.read_text()
    assert "<figure" not in page.read_text()
    assert '<div id="runs">' in page.read_text()


def test_probes_are_drawn_along_the_network_and_their_ends_written(store: Store) -> None:
    path = ("hidden.0", "hidden.1", "hidden.2", "head")
    values = {"he": (1.0, 2.0, 4.0, 9.0), "proposed": (1.0, 1.0, 1.0, 9.0)}
    cells = [
        (
            {"init": init, "seed": seed},
            "ok",
            {
                # Too large to write down at the last layers, where the logarithm is not.
                **{f"signal/forward_ratio/{name}": None if i else 10.0 for i, name in enumerate(path)},
                **{f"signal/log10_forward_ratio/{name}": along[i] + seed for i, name in enumerate(path)},
                "hessian/spectral_norm": 2.0 * seed,
                "jacobian/logits/sigma_min": 2.0,
                "jacobian/logits/sigma_max": 3.0,
                "jacobian/logits/exact": 1,
            },
        )
        for init, along in values.items()
        for seed in range(3)
    ]
    fabricate_metrics(store, "mine", cells)
    report = of(store, "mine")
    [form] = report.forms  # of the logarithm alone
    assert form.title == "signal/log10_forward_ratio along the network."
    alike = {"hessian/spectral_norm": "2.00 ± 2.00", "jacobian/logits/exact": "1.00 ± 0.00"}
    alike |= {"jacobian/logits/sigma_max": "3.00 ± 0.00", "jacobian/logits/sigma_min": "2.00 ± 0.00"}
    first, end = (f"signal/log10_forward_ratio, {place}" for place in ("first layer", ENDS))
    assert {row[:4] for row in report.tables[0].rows} == {
        *((init, number, value, "3") for init in values for number, value in alike.items()),
        ("he", first, "2.00 ± 1.00", "3"),
        ("he", end, "5.00 ± 1.00", "3"),
        ("proposed", first, "2.00 ± 1.00", "3"),
        ("proposed", end, "2.00 ± 1.00", "3"),
    }
    paths = write_sweep(report, store.output_dir / "report")
    assert [file.suffix for file in paths] == [".html", ".png", ".svg", ".md", ".tex"]


def test_how_runs_ended_is_told_where_none_has_an_accuracy(fabricate: Fabricate, store: Store) -> None:
    fabricate([("he", lr, seed, "diverged", None) for lr in (0.1, 1.0) for seed in range(2)])
    assert [row[-2:] for row in of(store).tables[-1].rows] == [("2", "0"), ("2", "0")]
    ended = [({"init": "a", "seed": s}, "diverged" if s else "ok", {"train/return": 3.0}) for s in range(5)]
    fabricate_metrics(store, "mine", [*ended, ({"init": "b", "seed": 0}, "crashed", {})])
    table = of(store, "mine").tables[0]
    assert table.columns[-3:] == ("n", "diverged", "crashed")
    assert table.rows == (("a", "train/return", "3.00", "1", "4", "0"), ("b", "—", "—", "0", "0", "1"))


def test_a_probe_beside_training_has_its_numbers_too(store: Store) -> None:
    fits = [({"task": "fit", "seed": s}, "ok", {"val/acc": 0.5, "test/acc": 0.5}) for s in range(2)]
    probes = [({"task": "probe", "seed": s}, "ok", {"hessian/spectral_norm": 7.0}) for s in range(2)]
    fabricate_metrics(store, "mine", [*fits, *probes])
    tables = of(store, "mine").tables
    assert [table.title for table in tables][-1] == "Every number"
    assert tables[-1].rows == (("probe", "hessian/spectral_norm", "7.00 ± 0.00", "2", "0"),)


def test_too_many_series_are_not_drawn_and_a_note_says_so(store: Store) -> None:
    cells = [
        ({"init": f"i{i}", "seed": 0}, "ok", {f"correlation/cosine/{layer}": 1.0 for layer in "abc"})
        for i in range(31)
    ]
    fabricate_metrics(store, "mine", cells)
    assert of(store, "mine").forms == []
    assert of(store, "mine").told == ["Not drawn: what was found along the network, of more than 30 series."]


def test_agents_are_drawn_by_their_return(store: Store) -> None:
    cells = [({"init": i, "seed": s}, "ok", {"train/return": 3.0 + s}) for i in ("a", "b") for s in range(2)]
    fabricate_metrics(store, "mine", cells, epochs=3)
    report = of(store, "mine")
    assert [form.title for form in report.forms] == ["Return over epochs."]
    assert ("a", "train/return", "3.50 ± 0.71", "2", "0") in report.tables[0].rows


def test_a_sweep_that_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        of(store, "nope")


def test_a_report_folder_that_cannot_be_made_is_a_sentence(fabricate: Fabricate, store: Store) -> None:
    fabricate(CELLS)
    Path(store.output_dir / "report").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot write .*report"):
        write_sweep(of(store), store.output_dir / "report")
