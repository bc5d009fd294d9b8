"""A curve over epochs per series: the mean, and a band from the lowest to the highest run."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from statistics import fmean
from typing import TYPE_CHECKING, Any

from initlab.report.evidence import Cell, Evidence
from initlab.report.form.base import Form, logarithmic, look
from initlab.report.points import Point, Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def curves(
    evidence: Evidence, points: Points, title: str, column: str, label: str, factor: float = 1.0,
    log_y: bool = False,
) -> Form:  # fmt: skip
    """Draw a column of ``metrics.csv`` over epochs, of the runs of each point, in the panels that have runs.

    Args:
        evidence: whose tables are read.
        points: without an x; their runs are drawn, and the table is theirs.
        title: of the form.
        column: of the table ``metrics``.
        label: of the vertical axis, with its unit.
        factor: to that unit.
        log_y: whether the axis is logarithmic.
    """
    panels = tuple(dict.fromkeys(point.panel for point in points.points if point.cells)) or ("",)

    def draw(axes: Sequence[Axes]) -> None:
        from matplotlib.ticker import MaxNLocator

        for ax, panel in zip(axes, panels, strict=True):
            for index, series in enumerate(points.series):
                colour, _ = look(index)
                for point in points.at(series, panel):
                    by_epoch = gathered(evidence, point, column)
                    epochs = sorted(by_epoch)
                    if not epochs:
                        continue
                    rows = [[factor * value for value in by_epoch[epoch]] for epoch in epochs]
                    ax.fill_between(
                        epochs, [*map(min, rows)], [*map(max, rows)], color=colour, alpha=0.16, lw=0
                    )
                    marker = "o" if len(epochs) == 1 else None
                    ax.plot(epochs, [fmean(row) for row in rows], color=colour, lw=1.8, marker=marker)
            ax.set_xlabel("epoch")
            ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
            if log_y and ax.lines:
                logarithmic(ax)
        axes[0].set_ylabel(label)

    return Form(title, points, draw, panels)


def gathered(evidence: Evidence, point: Point, column: str) -> dict[float, list[float]]:
    """Return the values of all runs of a point at each epoch; a run that diverged ends earlier."""
    found: dict[float, list[float]] = {}
    for cell in point.cells:
        if cell.status not in ("ok", "diverged"):
            continue
        for row in evidence.tables(cell.run_id).get("metrics", ()):
            epoch, value = finite(row.get("epoch")), finite(row.get(column))
            if epoch is not None and value is not None:
                found.setdefault(epoch, []).append(value)
    return found


def finite(value: Any) -> float | None:
    """Return the finite number that a cell of a table holds; None for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value):
        return float(value)
    return None


def average(evidence: Evidence, cell: Cell, column: str) -> float | None:
    """Return the mean of a column of ``metrics.csv`` over the epochs of a finished run; None without one."""
    if cell.status != "ok":
        return None
    rows = evidence.tables(cell.run_id).get("metrics", ())
    told = [value for row in rows if (value := finite(row.get(column))) is not None]
    return fmean(told) if told else None
