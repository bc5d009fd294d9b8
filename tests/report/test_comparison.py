"""Runs that differ in the seed alone are one group, and a diverged run counts against its learning rate."""

from collections.abc import Callable
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from initlab.report.comparison import Group, Run, compare, mean_and_sd
from initlab.report.values import number, shared_settings, varying
from initlab.results.store import NotFound, Store

Fabricate = Callable[..., None]
fractions = st.floats(0, 1)


def group(accuracies: list[float], diverged: int = 0, crashed: int = 0) -> Group:
    states = [("ok", value) for value in accuracies] + [("diverged", 0.5)] * diverged
    states += [("crashed", 0.9)] * crashed
    return Group("a", 0.1, tuple(Run(str(i), "a", 0.1, i, *state, None) for i, state in enumerate(states)))


@settings(deadline=None)
@given(st.lists(fractions, min_size=1), st.integers(0, 5), st.integers(0, 5))
def test_a_diverged_run_counts_as_zero_and_a_crashed_one_not_at_all(
    accuracies: list[float], diverged: int, crashed: int
) -> None:
    made = group(accuracies, diverged, crashed)
    assert made.score == pytest.approx(sum(accuracies) / (len(accuracies) + diverged))
    assert fmean(made.accuracies("val")) == pytest.approx(
        fmean(accuracies)
    )  # but the mean shown leaves it out


def test_runs_that_only_crashed_have_no_score() -> None:
    assert group([], crashed=3).score is None
    assert group([], diverged=2).score == 0


def test_standard_deviation_is_that_of_a_sample() -> None:
    assert mean_and_sd([0.0, 1.0]) == (0.5, pytest.approx(0.5**0.5))
    assert mean_and_sd([0.25]) == (0.25, None)
    assert mean_and_sd([]) is None


def test_the_best_rate_is_chosen_by_validation_with_diverged_runs_as_zero(
    fabricate: Fabricate, store: Store
) -> None:
    fabricate(
        [
            ("he", 0.1, 0, "ok", 0.7),
            ("he", 0.1, 1, "ok", 0.6),
            ("he", 1.0, 0, "ok", 0.9),  # the higher mean over finished runs,
            ("he", 1.0, 1, "diverged", None),  # and 0.45 over all
        ]
    )
    comparison = compare(store, "quickstart")
    assert comparison.best["he"].lr == 0.1
    assert [len(made.finished) for made in comparison.groups] == [2, 1]


def test_of_equally_good_rates_the_lowest_is_best(fabricate: Fabricate, store: Store) -> None:
    fabricate([("he", lr, 0, "diverged", None) for lr in (1.0, 0.1, 10.0)])
    assert compare(store, "quickstart").best["he"].lr == 0.1


def test_series_keep_the_order_of_the_sweep_and_rates_rise(fabricate: Fabricate, store: Store) -> None:
    fabricate([(init, lr, 0, "ok", 0.5) for init in ("proposed", "he") for lr in (1.0, 0.1)])
    comparison = compare(store, "quickstart")
    assert comparison.axis == "init"
    assert [(made.series, made.lr) for made in comparison.groups] == [
        ("proposed", 0.1),
        ("proposed", 1.0),
        ("he", 0.1),
        ("he", 1.0),
    ]


def test_a_cell_without_a_result_is_counted_as_missing(fabricate: Fabricate, store: Store) -> None:
    fabricate([("he", 0.1, 0, "ok", 0.5), ("he", 0.1, 1, "missing", None)])
    assert compare(store, "quickstart").count("missing") == 1


def test_what_the_overrides_do_not_say_comes_from_the_configs(fabricate: Fabricate, store: Store) -> None:
    cells = [("he", 0.1, 0, "ok", 0.5), ("he", 0.1, 1, "missing", None)]
    fabricate(cells, drop=("lr", "init"))
    [made] = compare(store, "quickstart").groups
    assert (made.series, made.lr) == ("he", 0.1)
    assert [run.status for run in made.runs] == ["ok", "missing"]


def test_two_axes_make_a_series_of_each_pair(fabricate: Fabricate, store: Store) -> None:
    fabricate([("he", 0.1, 0, "ok", 0.5), ("proposed", 0.1, 0, "ok", 0.5)], name="one", warmup_epochs=0)
    fabricate([("he", 0.1, 0, "ok", 0.5), ("proposed", 0.1, 0, "ok", 0.5)], name="two", warmup_epochs=2)
    cells = store.read_sweep("one")["cells"] + store.read_sweep("two")["cells"]
    store.write_sweep("both", {"cells": cells})
    comparison = compare(store, "both")
    assert comparison.axis == "init, warmup_epochs"
    assert comparison.series == (
        "he, warmup_epochs=0",
        "proposed, warmup_epochs=0",
        "he, warmup_epochs=2",
        "proposed, warmup_epochs=2",
    )


def test_a_series_is_named_without_settings_that_its_option_does_not_have(
    fabricate: Fabricate, store: Store
) -> None:
    fabricate([("proposed", 0.1, 0, "ok", 0.5)], name="one")
    cells = list(store.read_sweep("one")["cells"])
    for seed, mode in enumerate(("fan_in", None)):
        fabricate([("he", 0.1, seed, "ok", 0.5)], name="two", **{"init.mode": mode})
        cells += store.read_sweep("two")["cells"]
    store.write_sweep("both", {"cells": cells})
    assert compare(store, "both").series == ("proposed", "he, mode=fan_in", "he, mode=?")


def test_a_sweep_that_is_not_there_is_a_sentence(store: Store) -> None:
    with pytest.raises(NotFound, match="there is no sweep 'nope'"):
        compare(store, "nope")


def test_a_number_is_one_value_however_it_is_written() -> None:
    assert varying([{"lr": "0.10", "init": "he"}, {"lr": 0.1, "init": "pytorch"}]) == ["init"]
    assert varying([{"a": 1}, {}]) == ["a"]
    assert number("he") == "he"
    assert number(True) is True


def test_settings_are_those_that_all_runs_share() -> None:
    configs = [
        {"data": {"name": "digits"}, "model": {"name": "mlp", "depth": depth, "width": 64}, "epochs": 3}
        for depth in (10, 20)
    ]
    assert shared_settings(configs) == ("data digits", "model mlp (width 64)", "epochs 3")
    assert shared_settings([]) == ()


def test_settings_that_read_alike_are_no_seeds_of_each_other(fabricate: Fabricate, store: Store) -> None:
    from fabricated import fabricate as with_axes

    cells = [
        ({"model.widths": widths, "seed": seed}, "ok", {"val/acc": 0.5})
        for widths in ("[8,16,32,64,3]", "[16,8,64,32,3]")
        for seed in range(2)
    ]
    with_axes(store, "mine", cells)
    comparison = compare(store, "mine")
    assert [len(group.runs) for group in comparison.groups] == [2, 2]
    assert len(comparison.series) == 2
