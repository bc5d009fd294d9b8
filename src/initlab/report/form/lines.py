"""Middle and spread against depth, width or learning rate: a line per series, the published one dashed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from initlab.report.form.base import PAPER, Form, look, place_xs, scale_y
from initlab.report.points import Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def lines(points: Points, title: str, log_x: bool = False) -> Form:
    """Draw points along x."""

    def draw(axes: Sequence[Axes]) -> None:
        for ax, panel in zip(axes, points.panels or [""], strict=True):
            _draw(ax, points, panel, log_x)
        axes[0].set_ylabel(points.measure.label)

    return Form(title, points, draw, tuple(points.panels) or ("",), legend_of_paper="line")


def _draw(ax: Axes, points: Points, panel: str, log_x: bool) -> None:
    measure = points.measure
    places = place_xs(ax, points.xs, log_x)
    seen: list[float] = []
    for index, series in enumerate(points.series):
        colour, marker = look(index)
        ours = [
            (places[point.x], middle, measure.interval(point.values))
            for point in points.at(series, panel)
            if (middle := measure.middle(point.values)) is not None
        ]
        for x, middle, interval in ours:
            if interval:
                reach = [[middle - interval.low], [interval.high - middle]]
                ax.errorbar(x, middle, yerr=reach, color=colour, elinewidth=1.2, capsize=2.5, fmt="none")
                seen += [interval.low, interval.high]
        ax.plot(
            [x for x, *_ in ours],
            [y for _, y, _ in ours],
            color=colour,
            marker=marker,
            lw=1.7,
            ms=6,
            zorder=4,
        )
        theirs = [
            (places[point.x], measure.shown(point.published.value))
            for point in points.at(series, panel)
            if point.published and point.published.value is not None
        ]
        ax.plot(
            [x for x, _ in theirs], [y for _, y in theirs], color=colour, marker=marker, mfc=PAPER, ls="--",
            lw=1.1, ms=5.5, zorder=3,
        )  # fmt: skip
        seen += [y for _, y, _ in ours] + [y for _, y in theirs]
    scale_y(ax, measure, seen)
    ax.set_xlabel(points.x)
