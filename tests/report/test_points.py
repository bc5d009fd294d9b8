"""A figure's places hold the runs that belong there, and the published number beside them."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from fabricated import fabricate
from initlab.report.defaults import is_default
from initlab.report.evidence import Evidence, gather
from initlab.report.measure import SURVIVAL, TEST, TEST_ERROR, TRAINING_LOSS
from initlab.report.points import points
from initlab.report.table import latex, markdown, pivot_table, points_table
from initlab.results.store import Store

CLAIM = "arpit2019/table1"
CSV = """# Table 1, p. 7
init,model.depth,metric,value,spread,n,source
proposed,2,test/acc,0.93,0.01,5,table
he,2,test/acc,,,,picture not available
he,9,test/acc,,,,"text of Table 1: N/A, diverged"
proposed,9,test/acc,0.8,,5,table
"""


def evidence_of(tmp_path: Path, cells: list, csv: str = CSV) -> Evidence:
    (tmp_path / "arpit2019").mkdir()
    (tmp_path / f"{CLAIM}.csv").write_text(csv)
    store = Store(tmp_path / "outputs")
    fabricate(store, CLAIM, cells)
    return gather(CLAIM, CLAIM, store, papers=tmp_path)


def runs(init: str, lr: float, accuracies: list[float | None], depth: int = 2) -> list:
    return [
        (
            {"init": init, "lr": str(lr), "model.depth": depth, "seed": seed},
            "diverged" if accuracy is None else "ok",
            {} if accuracy is None else {"test/acc": accuracy, "best/val_acc": accuracy},
        )
        for seed, accuracy in enumerate(accuracies)
    ]


CELLS = [
    *runs("proposed", 0.1, [0.90, 0.92, 0.94]),
    *runs("proposed", 0.01, [0.5, 0.5, 0.5]),
    *runs("he", 0.1, [0.95, None, None]),
    *runs("he", 0.01, [0.6, 0.62, 0.64]),
]


def test_each_series_stands_at_its_best_rate_with_a_diverged_run_as_0(tmp_path: Path) -> None:
    found = points(evidence_of(tmp_path, CELLS), TEST, x="model.depth", best="lr", panel=())
    [ours] = [point for point in found.at("proposed") if point.cells]
    [he] = [point for point in found.at("he") if point.cells]
    assert (ours.chosen, he.chosen) == ({"lr": 0.1}, {"lr": 0.01})
    assert ours.values == pytest.approx((90, 92, 94))
    assert he.values == pytest.approx((60, 62, 64))


@pytest.mark.parametrize(
    ("center", "losses", "best"),
    [
        (
            "mean",
            {0.1: [0.1, 0.1, None], 0.01: [0.5, 0.6, 0.7]},
            0.01,
        ),  # one that diverged is worse than any loss
        ("median", {0.1: [0.1, 0.1, None], 0.01: [0.5, 0.6, 0.7]}, 0.1),  # but one of three is no median
        ("median", {0.1: [0.1, 0.1, 9.0], 0.01: [0.2, 0.2, 0.2]}, 0.1),
        ("mean", {0.1: [0.1, 0.1, 9.0], 0.01: [0.2, 0.2, 0.2]}, 0.01),
    ],
)
def test_a_rate_is_chosen_by_the_middle_of_its_losses(
    center: Literal["mean", "median"], losses: dict[float, list[float | None]], best: float, tmp_path: Path
) -> None:
    cells = [
        ({"init": "proposed", "lr": str(lr), "seed": seed}, "diverged" if value is None else "ok",
         {} if value is None else {"train/loss": value})
        for lr, values in losses.items()
        for seed, value in enumerate(values)
    ]  # fmt: skip
    measure = replace(TRAINING_LOSS, center=center)
    found = points(evidence_of(tmp_path, cells), measure, panel=(), best="lr", choose=measure)
    assert [point.chosen for point in found.points if point.cells] == [{"lr": best}]


def test_published_numbers_stand_at_their_place_and_what_has_not_run_has_one_too(tmp_path: Path) -> None:
    found = points(evidence_of(tmp_path, CELLS), TEST, x="model.depth", best="lr", panel=())
    assert [(p.series, p.x, p.published and p.published.value) for p in found.points] == [
        ("proposed", 2, 0.93),
        ("proposed", 9, 0.8),
        ("he", 2, None),
        ("he", 9, None),
    ]
    table = points_table(found, "Table 1")
    assert table.columns == ("series", "model.depth", "lr", "published", "ours", "n", "diverged")
    assert table.rows[0] == ("proposed", "2", "0.1", "93.0 ± 1.0", "92.0 ± 2.0", "3", "0")
    assert table.rows[1] == ("proposed", "9", "—", "80.0", "—", "0", "0")
    assert table.rows[2][3:5] == ("in a picture", "62.0 ± 2.0")
    assert table.rows[3][3:5] == ("N/A, diverged", "—")


@pytest.mark.parametrize(
    ("proposed", "names"),
    [
        (["orthogonal"], ["proposed", "lsuv"]),
        (["he"], ["proposed, directions=he", "lsuv"]),
        (["orthogonal", "he"], ["proposed, directions=orthogonal", "proposed, directions=he", "lsuv"]),
    ],
)
def test_a_series_is_named_without_what_its_init_has_by_default(
    tmp_path: Path, proposed: list[str], names: list[str]
) -> None:
    inits = [{"init": "proposed", "init.directions": directions} for directions in proposed]
    cells = [({**init, "seed": 0}, "ok", {"test/acc": 0.9}) for init in (*inits, {"init": "lsuv"})]
    assert points(evidence_of(tmp_path, cells), TEST).series[: len(names)] == names


def test_two_settings_of_an_init_are_two_series_though_one_is_null(tmp_path: Path) -> None:
    cells = [
        (
            {"init": "preconditioned", "init.output_std": output_std, "seed": seed},
            "ok",
            {"test/acc": accuracy},
        )
        for output_std, accuracy in ((None, 0.9), (0.05, 0.5))
        for seed in range(2)
    ]
    found = points(evidence_of(tmp_path, cells), TEST, series=("init", "init.output_std"))
    assert [point.values for point in found.points if point.cells] == [(90, 90), (50, 50)]


@pytest.mark.parametrize(
    ("key", "option", "value", "expected"),
    [
        ("init.directions", "proposed", "orthogonal", True),
        ("init.directions", "proposed", "he", False),
        ("init.c", "fan_in", 2, True),
        ("init.directions", "lsuv", "orthogonal", False),
        ("init.directions", "somebodys_own", "orthogonal", False),
        ("init.directions", "../init/proposed", "orthogonal", False),
    ],
)
def test_what_is_a_default(key: str, option: str, value: object, expected: bool) -> None:
    assert is_default(key, option, value) is expected


def test_an_axis_that_the_paper_leaves_open_does_not_part_its_number(tmp_path: Path) -> None:
    cells = [
        ({"init": "proposed", "model.depth": 2, "warmup_epochs": warmup, "seed": 0}, "ok", {"test/acc": 0.9})
        for warmup in (0, 5)
    ]
    found = points(evidence_of(tmp_path, cells), TEST, x="model.depth")
    assert [(p.panel, p.published and p.published.value) for p in found.points if p.cells] == [
        ("warmup_epochs=0", 0.93),
        ("warmup_epochs=5", 0.93),
    ]


def test_the_error_is_what_accuracy_lacks(tmp_path: Path) -> None:
    evidence = evidence_of(tmp_path, CELLS)
    accuracy, error = (points(evidence, m, best="lr", panel=()).at("proposed")[0] for m in (TEST, TEST_ERROR))
    assert error.values == pytest.approx([100 - value for value in accuracy.values])


def test_shares_count_what_diverged_and_not_what_crashed(tmp_path: Path) -> None:
    cells = [*runs("he", 0.1, [0.5, None, None]), ({"init": "he", "lr": "0.1", "seed": 9}, "crashed", {})]
    [point] = [p for p in points(evidence_of(tmp_path, cells), SURVIVAL, x="lr", panel=()).points if p.cells]
    assert point.values == (100, 0, 0)
    assert SURVIVAL.written(point.values).startswith("33.3 [")


def test_a_table_holds_its_shape_whatever_the_words(tmp_path: Path) -> None:
    cells = runs("a|b & <i>%_{}\n$x$", 0.1, [0.5, 0.6])
    found = points(evidence_of(tmp_path, cells), TEST, panel=())
    for table in (points_table(found, "T"), pivot_table(found, "T")):
        lines = [line for line in markdown(table).splitlines() if line.startswith("|")]
        assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1
        assert "<i>" not in markdown(table)
        assert r"\&" in latex(table, "t")
        assert r"\$x\$" in latex(table, "t")
