"""A number per layer or block along the network: the mean over runs, and a band of one standard deviation."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from initlab.report.form.base import GREY, PAPER, Form, logarithmic, look
from initlab.report.layers import along
from initlab.report.points import Point, Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def profile(
    points: Points, title: str, prefix: str, label: str, log_y: bool = False, target: float | None = None,
    x_label: str = "layer", count_from: int = 1,
) -> Form:  # fmt: skip
    """Draw the metrics ``<prefix>/<layer>`` along the network's path.

    Args:
        points: without an x; their runs are drawn, and the table is theirs.
        title: of the form.
        prefix: of the metrics.
        label: of the vertical axis.
        log_y: whether it is logarithmic.
        target: what theory says, as a dotted line.
        x_label: what is counted along the network.
        count_from: the number of the first of them.
    """

    def draw(axes: Sequence[Axes]) -> None:
        from matplotlib.ticker import MaxNLocator

        for ax, panel in zip(axes, points.panels or [""], strict=True):
            for index, series in enumerate(points.series):
                colour, marker = look(index)
                for point in points.at(series, panel):
                    columns = by_layer(point, prefix)
                    if not columns:
                        continue
                    xs = range(count_from, count_from + len(columns))
                    means = [fmean(column) for column in columns]
                    sds = [stdev(column) if len(column) > 1 else 0.0 for column in columns]
                    pairs = list(zip(means, sds, strict=True))
                    low = [max(mean - sd, mean / 100) if log_y else mean - sd for mean, sd in pairs]
                    ax.fill_between(
                        xs, low, [mean + sd for mean, sd in pairs], color=colour, alpha=0.16, lw=0
                    )
                    every = max(1, len(columns) // 12)
                    ax.plot(xs, means, color=colour, marker=marker, markevery=every, lw=1.6, ms=5, mfc=PAPER)
            if target is not None:
                ax.axhline(target, color=GREY, lw=0.9, ls=":")
            if log_y and len(ax.lines) > (target is not None):
                logarithmic(ax)
            ax.set_xlabel(x_label)
            ax.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        axes[0].set_ylabel(label)

    return Form(title, points, draw, tuple(points.panels) or ("",))


def by_layer(point: Point, prefix: str) -> list[list[float]]:
    """Return the values of all finished runs of a point at each place of the path."""
    columns: list[list[float]] = []
    for cell in point.cells:
        for index, value in enumerate(along(cell, prefix)):
            if index == len(columns):
                columns.append([])
            columns[index].append(value)
    return columns
