"""A statement holds, fails or stays open by its interval, and three runs a side are the fewest."""

from collections.abc import Sequence

import pytest

from initlab.report.measure import SURVIVAL, TEST, TEST_ERROR
from initlab.report.points import Point, Points
from initlab.report.verdict import Verdict, better, keeps, overall, smaller, tally

LOW, HIGH = (50.0, 52.0, 51.0, 49.0), (80.0, 82.0, 81.0, 79.0)


def two(a: Sequence[float], b: Sequence[float], measure=TEST) -> Points:
    cells = ("some",)
    return Points(
        (Point("", "a", 2, tuple(a), cells), Point("", "b", 2, tuple(b), cells)),  # type: ignore[arg-type]
        measure,
        "depth",
    )


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        (HIGH, LOW, "holds"),
        (LOW, HIGH, "does not hold"),
        (LOW, (50.5, 51.5, 49.5), "undecided"),
        (HIGH, LOW[:2], "no verdict: n < 3"),
        (HIGH, (), "no verdict: n < 3"),
    ],
)
def test_the_outcome_follows_the_interval(a, b, outcome) -> None:
    [verdict] = better(two(a, b), "a", "b")
    assert verdict.outcome == outcome
    assert verdict.statement == "test accuracy (%): a > b at depth 2"
    assert f"n = {len(a)} and {len(b)}" in verdict.evidence


def test_a_smaller_error_is_better() -> None:
    [verdict] = better(two(LOW, HIGH, TEST_ERROR), "a", "b")
    assert (verdict.outcome, verdict.statement) == ("holds", "test error (%): a < b at depth 2")


def test_shares_are_judged_as_shares() -> None:
    [verdict] = better(two([100.0] * 20, [0.0] * 20, SURVIVAL), "a", "b")
    assert verdict.outcome == "holds"
    [verdict] = better(two([100.0] * 3, [100.0, 100.0, 0.0], SURVIVAL), "a", "b")
    assert verdict.outcome == "undecided"


def test_only_places_that_both_have_are_judged() -> None:
    assert better(two(HIGH, LOW), "a", "c") == ()
    assert better(two(HIGH, LOW), "a", "b", at=lambda depth: depth > 2) == ()


def test_a_mean_within_bounds_holds_and_one_outside_does_not() -> None:
    values = [0.99, 1.0, 1.01, 1.0]
    assert keeps("s", values, 0.5, 2).outcome == "holds"
    assert keeps("s", values, 2, 3).outcome == "does not hold"
    assert keeps("s", values, 1.0, 2).outcome == "undecided"
    assert keeps("s", values[:2], 0.5, 2).outcome == "no verdict: n < 3"


def test_pairs_are_compared_within_themselves() -> None:
    assert smaller("s", [(1, 2), (10, 11.1), (100, 100.9)]).outcome == "holds"
    assert smaller("s", [(1, 2)]).outcome == "no verdict: n < 3"


def test_one_failure_is_enough_and_all_must_hold() -> None:
    def of(*outcomes):
        return [Verdict("s", outcome, "") for outcome in outcomes]

    none = "no verdict: n < 3"
    assert overall(of("holds", "holds")) == "holds"
    assert overall(of("holds", "undecided", "does not hold")) == "does not hold"
    assert overall(of("holds", none)) == "undecided"
    assert overall(of(none)) == none == overall([])
    assert tally(of("holds")) == "holds"
    assert tally(of("holds", "holds")) == "both statements hold"
    assert tally(of("undecided", "undecided", "undecided")) == "all 3 statements undecided"
    assert tally(of("holds", none, "holds")) == "3 statements: 2 hold, 1 no verdict: n < 3"
    assert tally(of(none, none)) == "2 statements: 2 no verdict: n < 3"
    told = "4 statements: 1 holds, 2 do not hold, 1 undecided"
    assert tally(of("does not hold", "undecided", "holds", "does not hold")) == told
