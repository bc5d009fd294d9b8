"""Shares of runs as bars, side by side for each x, the published share as a mark on its bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from initlab.report.form.base import INK, PAPER, Form, look
from initlab.report.points import Points
from initlab.report.values import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def survival(points: Points, title: str) -> Form:
    """Draw a bar per series at each x, with the interval of its share."""

    def draw(axes: Sequence[Axes]) -> None:
        for ax, panel in zip(axes, points.panels or [""], strict=True):
            _draw(ax, points, panel)
        axes[0].set_ylabel(points.measure.label)

    return Form(title, points, draw, tuple(points.panels) or ("",), legend_of_paper="mark")


def _draw(ax: Axes, points: Points, panel: str) -> None:
    xs, all_series = points.xs, points.series
    width = 0.82 / max(len(all_series), 1)
    for index, series in enumerate(all_series):
        colour, _ = look(index)
        for point in points.at(series, panel):
            x = xs.index(point.x) + (index - (len(all_series) - 1) / 2) * width
            share, interval = points.measure.middle(point.values), points.measure.interval(point.values)
            if share is not None and interval is not None:
                ax.bar(x, share, width * 0.88, color=colour, alpha=0.85)
                if share == 0:  # a bar of no height is a result, and not a gap
                    ax.bar(x, 1.2, width * 0.88, color=colour, alpha=0.85)
                reach = [[share - interval.low], [interval.high - share]]
                ax.errorbar(
                    x, share, yerr=reach, color=INK, elinewidth=0.9, capsize=1.8, fmt="none", alpha=0.7
                )
            if point.published and point.published.value is not None:
                y = points.measure.shown(point.published.value)
                ax.plot(x, y, "D", color=INK, mfc=PAPER, ms=5, mew=1.1, zorder=5, clip_on=False)
    ax.set_xticks(range(len(xs)), [text(x) for x in xs])
    ax.grid(visible=False, axis="x")
    ax.set_ylim(0, 104)
    ax.set_xlabel(points.x)
