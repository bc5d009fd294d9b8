"""The figure names every series and hides no run."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from initlab.report import figure
from initlab.report.comparison import compare
from initlab.results.store import Store

Fabricate = Callable[..., None]


@settings(deadline=None)
@given(st.lists(st.floats(-0.2, 1.2), min_size=1, max_size=8), st.floats(0.01, 0.12))
def test_names_at_the_ends_keep_apart_and_in_order(heights: list[float], gap: float) -> None:
    named = {str(index): height for index, height in enumerate(heights)}
    placed = figure.spread_apart(named, gap)
    order = sorted(named, key=lambda name: named[name])
    assert all(placed[b] - placed[a] >= gap - 1e-9 for a, b in pairwise(order))
    assert all(-1e-9 <= height <= 1 + 1e-9 for height in placed.values())


def test_names_that_are_far_apart_stay_where_they_are() -> None:
    assert figure.spread_apart({"a": 0.9, "b": 0.1}, 0.1) == {"a": 0.9, "b": 0.1}


def test_curves_are_those_of_the_finished_runs_at_the_best_rate(fabricate: Fabricate, store: Store) -> None:
    fabricate(
        [
            ("he", 0.1, 0, "ok", 0.6),
            ("he", 0.1, 1, "diverged", 0.9),
            ("he", 1.0, 0, "ok", 0.2),
            ("proposed", 0.1, 0, "crashed", None),
        ]
    )
    curves = figure.curves(compare(store, "quickstart"))
    assert curves["proposed"] == []
    [curve] = curves["he"]
    assert list(curve) == [0, 1, 2]
    assert list(curve.values()) == pytest.approx([20, 40, 60])


def test_the_picture_says_names_counts_and_settings(fabricate: Fabricate, store: Store) -> None:
    fabricate(
        [
            *[("proposed", lr, seed, "ok", 0.8) for lr in (0.01, 0.1) for seed in range(3)],
            *[("pytorch", lr, seed, "diverged", None) for lr in (0.01, 0.1) for seed in range(3)],
            ("he", 0.1, 0, "crashed", None),
        ]
    )
    comparison = compare(store, "quickstart")
    svg = figure.draw(comparison, figure.curves(comparison))["svg"].decode()
    for words in (
        "proposed",
        "pytorch",
        "lr 0.01, n = 3",
        "lr 0.01, n = 0, 3 diverged",
        "n = 1 to 3 seeds at each point",
        "data digits; model mlp (depth 10, width 64)",
        "1 of 13 runs, which crashed",
        "learning rate",
        "validation accuracy (%)",
        "epoch",
    ):
        assert words in svg


@pytest.mark.parametrize("num_series", [1, 9])
def test_draws_one_rate_one_seed_and_more_series_than_colours(
    fabricate: Fabricate, store: Store, num_series: int
) -> None:
    fabricate([(f"init_{index}", 0.1, 0, "ok", index / 10) for index in range(num_series)])
    comparison = compare(store, "quickstart")
    pictures = figure.draw(comparison, figure.curves(comparison))
    assert set(pictures) == {"png", "svg"}
    assert f"init_{num_series - 1}" in pictures["svg"].decode()


def test_a_run_whose_metrics_are_lost_is_still_drawn_at_its_rate(fabricate: Fabricate, store: Store) -> None:
    fabricate([("he", 0.1, 0, "ok", 0.5)])
    [run_id] = store.run_ids()
    store.folder(run_id).metrics_path.unlink()
    comparison = compare(store, "quickstart")
    curves = figure.curves(comparison)
    assert curves == {"he": []}
    assert figure.draw(comparison, curves)["png"]
