"""An interval at 95% covers about 95 times in 100, also for the few seeds that one has."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from initlab.report.statistic import (
    difference_of_means,
    difference_of_shares,
    exact_test_of_shares,
    mean_interval,
    mean_of_differences,
    share_interval,
    t_quantile,
)

NUM = 600
# A share of 600 trials has a standard error of 0.009 at 0.95; three of them.
TOLERANCE = 3 * sqrt(0.95 * 0.05 / NUM)
values = st.lists(st.floats(-100, 100), min_size=2, max_size=6)


def coverage_of_difference(n: int, m: int, sds: tuple[float, float]) -> tuple[float, float]:
    """How often our interval and plain percentiles hold the true difference of 0."""
    rng = np.random.default_rng(0)
    ours = plain = 0
    for trial in range(NUM):
        a, b = rng.normal(0, sds[0], n), rng.normal(0, sds[1], m)
        found = difference_of_means(list(a), list(b), resamples=500, seed=trial)
        ours += found.low <= 0 <= found.high
        means = a[rng.integers(0, n, (500, n))].mean(1) - b[rng.integers(0, m, (500, m))].mean(1)
        low, high = np.quantile(means, [0.025, 0.975])
        plain += low <= 0 <= high
    return ours / NUM, plain / NUM


@pytest.mark.parametrize(
    ("n", "m", "sds"), [(3, 3, (1, 1)), (5, 5, (1, 3)), (3, 10, (1, 1)), (20, 20, (1, 1))]
)
def test_the_interval_of_a_difference_covers(n: int, m: int, sds: tuple[float, float]) -> None:
    ours, _ = coverage_of_difference(n, m, sds)
    assert ours >= 0.92 - TOLERANCE  # 500 resamples and normal quantiles of so few runs cost some


def test_plain_percentiles_cover_too_rarely_at_three_seeds() -> None:  # the control
    ours, plain = coverage_of_difference(3, 3, (1, 1))
    assert plain < 0.87 < ours


def test_the_interval_does_not_cover_what_is_false() -> None:  # the control: it is not simply wide
    rng = np.random.default_rng(1)
    found = [
        difference_of_means(list(rng.normal(3, 1, 5)), list(rng.normal(0, 1, 5)), resamples=500)
        for _ in range(100)
    ]
    assert sum(interval.low > 0 for interval in found) > 85


@settings(deadline=None)
@given(values, values)
def test_a_difference_turns_round_with_its_sides(a: list[float], b: list[float]) -> None:
    one, other = (difference_of_means(*pair, resamples=200) for pair in ((a, b), (b, a)))
    assert one.value == pytest.approx(-other.value)
    assert one.low - 1e-9 <= one.value <= one.high + 1e-9


def test_draws_made_some_at_a_time_are_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = [0.1 * i * i for i in range(13)], [1.5 + 0.2 * i for i in range(5)]
    at_once = difference_of_means(*sides)
    monkeypatch.setattr("initlab.report.statistic.AT_A_TIME", 999)
    assert difference_of_means(*sides) == at_once


def test_runs_that_are_all_alike_leave_no_doubt_and_one_alone_is_refused() -> None:
    found = difference_of_means([2.0, 2.0], [1.0, 1.0, 1.0])
    assert (found.low, found.value, found.high) == (1, 1, 1)
    with pytest.raises(ValueError, match="two values on each side"):
        difference_of_means([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="two of them"):
        mean_of_differences([1.0])


def test_paired_differences_are_judged_by_their_own_spread() -> None:
    pairs = [(10.0 * index, 10.0 * index + 1 + 0.1 * (index % 2)) for index in range(6)]
    paired = mean_of_differences([b - a for a, b in pairs])
    apart = difference_of_means([b for _, b in pairs], [a for a, _ in pairs])
    assert paired.low > 0 > apart.low


@pytest.mark.parametrize("n", [3, 5, 20])
@pytest.mark.parametrize(("p", "q"), [(0.95, 0.05), (0.5, 0.5), (1.0, 0.8)])
def test_the_interval_of_a_difference_of_shares_covers(n: int, p: float, q: float) -> None:
    rng = np.random.default_rng(0)
    ours = plain = 0
    for _ in range(NUM):
        a, b = int(rng.binomial(n, p)), int(rng.binomial(n, q))
        found = difference_of_shares((a, n), (b, n))
        ours += found.low <= p - q <= found.high
        error = sqrt((a / n * (1 - a / n) + b / n * (1 - b / n)) / n)
        plain += abs((a - b) / n - (p - q)) <= 1.96 * error
    assert ours / NUM >= 0.93 - TOLERANCE
    if n == 3:
        assert plain / NUM < 0.9  # the control: what one finds in a hurry does not


def test_shares_of_none_and_all_have_a_width() -> None:
    none, whole = share_interval(0, 20), share_interval(20, 20)
    assert none is not None
    assert whole is not None
    assert none.low == 0 < none.high < 0.2
    assert 0.8 < whole.low < whole.high == 1
    assert share_interval(0, 0) is None
    with pytest.raises(ValueError, match="a run on each side"):
        difference_of_shares((0, 0), (1, 1))


def test_the_interval_of_a_mean_is_students() -> None:
    assert t_quantile(0.975, 2) == pytest.approx(4.302653, abs=1e-6)  # of any table
    found = mean_interval([1.0, 2.0, 3.0])
    assert found is not None
    assert (found.low, found.high) == pytest.approx(
        (2 - 4.302653 / sqrt(3), 2 + 4.302653 / sqrt(3)), abs=1e-6
    )
    assert mean_interval([1.0]) is None


tables = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)).map(
    lambda counts: ((counts[0], counts[0] + counts[1]), (counts[2], counts[2] + counts[3]))
)


@given(tables)
@settings(deadline=None)
def test_of_one_stratum_the_exact_test_is_fishers(table: tuple[tuple[int, int], tuple[int, int]]) -> None:
    (a, n), (b, m) = table
    sides = [fisher_exact([[a, n - a], [b, m - b]], alternative=way).pvalue for way in ("greater", "less")]
    assert exact_test_of_shares([table]) == pytest.approx(sides)


@given(st.lists(tables, min_size=1, max_size=4), st.integers(0, 5), st.integers(0, 5))
@settings(deadline=None)
def test_a_stratum_without_news_changes_nothing_and_the_sides_mirror(
    strata: list[tuple[tuple[int, int], tuple[int, int]]], n: int, m: int
) -> None:
    many, few = exact_test_of_shares(strata)
    assert exact_test_of_shares([*strata, ((n, n), (m, m)), ((0, n), (0, m))]) == (many, few)
    assert exact_test_of_shares([(b, a) for a, b in strata]) == (few, many)


def test_the_exact_test_errs_no_more_often_than_it_says_and_sees_what_is_there() -> None:
    """Five rates, at which 95, 90, 80, 50 and 10 of 100 runs survive; then one side is one rate ahead."""
    rng = np.random.default_rng(0)
    behind = np.array([0.95, 0.9, 0.8, 0.5, 0.1])
    ahead = np.array([1, 0.95, 0.9, 0.8, 0.5])

    def share_found(first: np.ndarray, second: np.ndarray) -> float:
        drawn = np.stack([rng.binomial(10, side, (NUM, 5)) for side in (first, second)], axis=2)
        tests = [exact_test_of_shares([((int(a), 10), (int(b), 10)) for a, b in trial]) for trial in drawn]
        return float(np.mean([many < 0.025 for many, _ in tests]))

    assert share_found(behind, behind) <= 0.025 + 3 * sqrt(0.025 * 0.975 / NUM)
    assert share_found(ahead, behind) > 0.5
