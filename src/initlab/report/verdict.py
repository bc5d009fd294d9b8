"""Whether our runs agree with what a paper states, decided by an interval and not by eye."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from initlab.report.measure import digits
from initlab.report.points import Point, Points
from initlab.report.statistic import (
    Interval,
    difference_of_means,
    difference_of_shares,
    exact_test_of_shares,
    mean_interval,
    mean_of_differences,
)
from initlab.report.values import text

Outcome = Literal["holds", "does not hold", "undecided", "no verdict: n < 3"]
FEWEST = 3  # runs on each side
ONE_SIDED = 0.025
Share = tuple[int, int]  # successes of n
NONE: Outcome = "no verdict: n < 3"
ORDER: tuple[Outcome, ...] = ("holds", "does not hold", "undecided", NONE)
MANY: dict[Outcome, str] = {"holds": "hold", "does not hold": "do not hold"}


@dataclass(frozen=True)
class Verdict:
    """One statement and what became of it.

    Args:
        statement: in words.
        outcome: of the test.
        evidence: the interval that decided, with the number of runs.
    """

    statement: str
    outcome: Outcome
    evidence: str


def better(
    points: Points, first: str, second: str, at: Callable[[Any], bool] | None = None, panel: str | None = None
) -> tuple[Verdict, ...]:
    """Judge, at each place where the sweep has both, that the first series does better than the second.

    It holds where the 95% interval of the difference lies on the better side of 0, and does not where it lies
    on the other. Both stand at their own best learning rate if the points do.

    Args:
        points: to judge.
        first: the series said to be better.
        second: the other.
        at: which x to judge; all where None.
        panel: which panel; all where None.
    """
    verdicts = []
    for a in points.at(first, panel):
        others = [b for b in points.at(second, a.panel) if b.x == a.x]
        if others and a.cells and others[0].cells and (at is None or at(a.x)):
            verdicts.append(_compare(points, a, others[0]))
    return tuple(verdicts)


def _compare(points: Points, a: Point, b: Point) -> Verdict:
    measure = points.measure
    sign = ">" if measure.higher_is_better else "<"
    statement = f"{measure.label}: {a.series} {sign} {b.series}{_where(points, a)}"
    counts = f"n = {len(a.values)} and {len(b.values)}"
    if min(len(a.values), len(b.values)) < FEWEST:
        return Verdict(statement, NONE, counts)
    if measure.center == "share":
        found = difference_of_shares(_share(points, a), _share(points, b))
        found = Interval(*(measure.factor * end for end in (found.value, found.low, found.high)))
    else:
        found = difference_of_means(a.values, b.values)
    better_side = (
        (found.low > 0, found.high < 0) if measure.higher_is_better else (found.high < 0, found.low > 0)
    )
    return Verdict(statement, _outcome(*better_side), f"difference {written(found)}, {counts}")


def more_often(points: Points, first: str, second: str) -> tuple[Verdict, ...]:
    """Judge, in each panel, that a share is larger for the first series, compared at equal x.

    It holds where an exact test of all x together has a one-sided p below 0.025, and does not where the test
    of the opposite has. A place where all runs of both succeed, or none, has no part in it.

    Args:
        points: whose measure is a share of runs.
        first: the series said to have the larger.
        second: the other.
    """
    verdicts = []
    for name in points.panels:
        strata = [
            (_share(points, a), _share(points, b))
            for a in points.at(first, name)
            for b in points.at(second, name)
            if a.x == b.x and a.values and b.values
        ]
        if strata:
            where = f" at {name}" if name else ""
            statement = f"{points.measure.label}, at equal {points.x}: {first} > {second}{where}"
            verdicts.append(_within(statement, strata))
    return tuple(verdicts)


def _within(statement: str, strata: Sequence[tuple[Share, Share]]) -> Verdict:
    sides = [tuple(map(sum, zip(*side, strict=True))) for side in zip(*strata, strict=True)]
    counts = f"n = {sides[0][1]} and {sides[1][1]}"
    if min(n for _, n in sides) < FEWEST:
        return Verdict(statement, NONE, counts)
    many, few = exact_test_of_shares(strata)
    shares = " and ".join(f"{100 * successes / n:.0f}%" for successes, n in sides)
    p = f"{shares}, one-sided p = {min(many, few, 1.0):.2g} (exact; 0.025 decides), {counts}"
    return Verdict(statement, _outcome(many < ONE_SIDED, few < ONE_SIDED), p)


def _share(points: Points, point: Point) -> Share:
    return round(sum(point.values) / points.measure.factor), len(point.values)


def keeps(
    statement: str, values: Sequence[float], low: float = -float("inf"), high: float = float("inf")
) -> Verdict:
    """Judge that the mean of a number over runs lies between two bounds.

    It holds where the 95% interval of the mean lies within them, and does not where it lies outside.
    """
    if len(values) < FEWEST:
        return Verdict(statement, NONE, f"n = {len(values)}")
    found = mean_interval(values)
    assert found is not None
    outcome = _outcome(low <= found.low and found.high <= high, found.high < low or found.low > high)
    return Verdict(statement, outcome, f"mean {written(found)}, n = {len(values)}")


def smaller(statement: str, pairs: Sequence[tuple[float, float]]) -> Verdict:
    """Judge that the first number of each pair is smaller in the mean, as over data sets."""
    if len(pairs) < FEWEST:
        return Verdict(statement, NONE, f"n = {len(pairs)}")
    found = mean_of_differences([a - b for a, b in pairs])
    outcome = _outcome(found.high < 0, found.low > 0)
    return Verdict(statement, outcome, f"mean difference {written(found)}, n = {len(pairs)} pairs")


def overall(verdicts: Sequence[Verdict]) -> Outcome:
    """Put verdicts together: one that does not hold is enough, and all must hold."""
    outcomes = {verdict.outcome for verdict in verdicts}
    if "does not hold" in outcomes:
        return "does not hold"
    if outcomes == {"holds"}:
        return "holds"
    return NONE if outcomes <= {NONE} else "undecided"


def tally(verdicts: Sequence[Verdict]) -> str:
    """Count the outcomes in words; of one verdict just its outcome."""
    outcomes = [verdict.outcome for verdict in verdicts]
    if len(outcomes) == 1:
        return outcomes[0]
    if len(set(outcomes)) == 1 and NONE not in outcomes:
        number = "both" if len(outcomes) == 2 else f"all {len(outcomes)}"
        return f"{number} statements {MANY.get(outcomes[0], outcomes[0])}"
    counts = {outcome: outcomes.count(outcome) for outcome in ORDER if outcome in outcomes}
    parts = [f"{n} {outcome if n == 1 else MANY.get(outcome, outcome)}" for outcome, n in counts.items()]
    return f"{len(verdicts)} statements: {', '.join(parts)}" if parts else "no statement to judge"


def written(found: Interval) -> str:
    """Write an estimate with its interval."""
    like = max(abs(found.low), abs(found.high), abs(found.value))
    value, low, high = (digits(end, like=like) for end in (found.value, found.low, found.high))
    return f"{value}, 95% interval [{low}, {high}]"


def _outcome(holds: bool, fails: bool) -> Outcome:
    return "holds" if holds else "does not hold" if fails else "undecided"


def _where(points: Points, point: Point) -> str:
    parts = [f"{points.x} {text(point.x)}"] if point.x is not None else []
    parts += [point.panel] if point.panel else []
    return f" at {', '.join(parts)}" if parts else ""
