"""What a figure or table shows of a run, and how the runs at one place are put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import floor, log10
from statistics import fmean, median, stdev
from typing import Literal

from initlab.report.evidence import Cell
from initlab.report.statistic import Interval, mean_interval, share_interval

Spread = Literal["sd", "interval"]
MOST_DECIMALS = 6


@dataclass(frozen=True)
class Measure:
    """One number of a run.

    Args:
        metrics: names under which results and published numbers have it; the first with a value counts.
        label: of an axis and a column, with its unit.
        factor: from the unit of the results to the one shown: 100 for percent.
        complement: show 1 - x, as an error is 1 - accuracy.
        diverged: what a run that diverged counts as; None where it does not count.
        higher_is_better: for the choice of a learning rate and for verdicts.
        spread: beside the mean: standard deviation over runs, or the 95% interval of the mean.
        center: ``mean``, ``median``, or ``share`` of runs whose value is 1.
        log: whether the axis is logarithmic.
        read: how the number is got from a cell where no metric has it.
    """

    metrics: tuple[str, ...]
    label: str
    factor: float = 1.0
    complement: bool = False
    diverged: float | None = None
    higher_is_better: bool = True
    spread: Spread = "sd"
    center: Literal["mean", "median", "share"] = "mean"
    log: bool = False
    read: Callable[[Cell], float | None] | None = None

    def of(self, cell: Cell) -> float | None:
        """Return the number of a run in the unit shown; None where it has none that counts."""
        if cell.status == "diverged" and self.diverged is not None:
            value: float | None = self.diverged
        elif self.read is not None:
            value = self.read(cell)
        else:
            value = cell.metric(*self.metrics) if cell.status == "ok" else None
        return None if value is None else self.shown(value)

    def shown(self, value: float) -> float:
        """Return a number of the results in the unit shown."""
        return self.factor * (1 - value if self.complement else value)

    def middle(self, values: Sequence[float]) -> float | None:
        """Return mean, median or share."""
        if not values:
            return None
        return median(values) if self.center == "median" else fmean(values)

    def interval(self, values: Sequence[float]) -> Interval | None:
        """Return the middle with what the spread makes of it; None where the values are too few."""
        if self.center == "share":
            share = share_interval(round(sum(values) / self.factor), len(values))
            return share and Interval(*(self.factor * end for end in (share.value, share.low, share.high)))
        middle = self.middle(values)
        if middle is None or len(values) < 2:
            return None
        if self.center == "median":
            ordered = sorted(values)
            return Interval(middle, ordered[len(values) // 4], ordered[-1 - len(values) // 4])
        if self.spread == "interval":
            return mean_interval(values)
        sd = stdev(values)
        return Interval(middle, middle - sd, middle + sd)

    def written(self, values: Sequence[float]) -> str:
        """Write the middle and its spread in a few digits; a dash where there is nothing."""
        middle, interval = self.middle(values), self.interval(values)
        if middle is None:
            return "—"
        if interval is None:
            return digits(middle)
        if self.center == "mean" and self.spread == "sd":
            return with_spread(middle, interval.high - middle)
        like = max(abs(middle), abs(interval.low), abs(interval.high))
        return f"{digits(middle, like)} [{digits(interval.low, like)}, {digits(interval.high, like)}]"

    @property
    def what_spread_is(self) -> str:
        """Say in words what stands beside the middle."""
        if self.center == "share":
            return "share of runs with its 95% score interval"
        if self.center == "median":
            return "median with quartiles"
        return "mean ± standard deviation" if self.spread == "sd" else "mean with its 95% interval"


def digits(value: float, like: float | None = None) -> str:
    """Write a number in about three digits, with as many decimals as another one would have."""
    size = abs(value if like is None else like)
    if size >= 1e5 or 0 < size < 1e-3:
        return f"{value:.2e}"
    if value == 0 and like is None:
        return "0"
    return _fixed(value, _decimals(size))


def with_spread(middle: float, spread: float) -> str:
    """Write a middle in about three digits with its spread; with more where the spread would be lost."""
    size = max(abs(middle), spread)
    if size >= 1e5 or 0 < size < 1e-3:
        return f"{middle:.2e} ± {spread:.2e}"
    decimals = _decimals(size)
    if spread and not float(_fixed(spread, decimals)):
        decimals = min(max(_decimals(spread) - 2, decimals + 1), MOST_DECIMALS)  # one digit of it
    if spread and not float(_fixed(spread, decimals)):
        return f"{_fixed(middle, decimals)} ± {spread:.0e}"
    return f"{_fixed(middle, decimals)} ± {_fixed(spread, decimals)}"


def _decimals(size: float) -> int:
    if size >= 1000:
        return 0
    return 1 if size >= 10 or size == 0 else 2 - floor(log10(size))


def _fixed(value: float, decimals: int) -> str:
    written = f"{value:.{decimals}f}"
    return written.removeprefix("-") if float(written) == 0 else written


def _finished(cell: Cell) -> float | None:
    return 1.0 if cell.status == "ok" else None


TEST = Measure(("test/acc",), "test accuracy (%)", factor=100, diverged=0.0)
VALIDATION = Measure(("best/val_acc", "val/acc"), "validation accuracy (%)", factor=100, diverged=0.0)
TRAINING = Measure(("train/acc",), "training accuracy (%)", factor=100, diverged=0.0)
TEST_INTERVAL = replace(TEST, spread="interval")
TEST_ERROR = replace(TEST, label="test error (%)", complement=True, higher_is_better=False)
SURVIVAL = Measure(
    ("survival",), "runs that did not diverge (%)", factor=100, diverged=0.0, center="share", read=_finished
)
TRAINING_LOSS = Measure(("train/loss",), "training loss (nats)", higher_is_better=False)
RETURN = Measure(("train/return",), "return in the last epoch")
