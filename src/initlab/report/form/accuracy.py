"""A table of a paper; as a figure, a line per row with our middle, its spread, and the published one."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from initlab.report.form.base import PAPER, Form, look, short
from initlab.report.points import Point, Points
from initlab.report.values import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST_LINE = 40  # letters of a name beside a row


def accuracy(points: Points, title: str) -> Form:
    """Draw each point as a mark on a line of its own; the table has a line per x and a column per series."""
    rows = _rows(points)

    def draw(axes: Sequence[Axes]) -> None:
        (ax,) = axes
        measure = points.measure
        names: dict[float, str] = {}
        for y, point in rows:
            names[y] = "\n".join(map(short, wrap(point.series, LONGEST_LINE, break_long_words=False)[:2]))
            colour, marker = look(points.series.index(point.series))
            middle, interval = measure.middle(point.values), measure.interval(point.values)
            if middle is not None:
                reach = [[middle - interval.low], [interval.high - middle]] if interval else None
                ax.errorbar(
                    middle, y, xerr=reach, fmt=marker, color=colour, ms=6.5, elinewidth=1.3, capsize=2.5
                )
            if point.published and point.published.value is not None:
                value = measure.shown(point.published.value)
                spread = point.published.spread and measure.factor * point.published.spread
                ax.errorbar(
                    value, y, xerr=spread, fmt=marker, color=colour, mfc=PAPER, ms=6.5, elinewidth=0.9,
                    capsize=2.5, zorder=3,
                )  # fmt: skip
        for heading, top in _headings(points, rows).items():
            ax.text(0, top - 0.62, heading, transform=ax.get_yaxis_transform(), fontsize=9, weight="bold")
        ax.set_yticks(list(names), list(names.values()))
        ax.set_ylim(max(names, default=0) + 0.6, -0.9)
        ax.set_xlabel(measure.label)
        ax.grid(visible=False, axis="y")

    height = 0.75 + 0.27 * len(rows) + 0.3 * len(_headings(points, rows))
    return Form(title, points, draw, height=height, pivot=True, legend_of_paper="mark", name_series=False)


def _rows(points: Points) -> list[tuple[float, Point]]:
    """Give each point a height: series below each other, a gap before each row of the paper's table."""
    rows, y, last = [], 0.0, None
    for panel in points.panels:
        for x in points.xs:
            for point in points.at(panel=panel, x=x) if x is not None else points.at(panel=panel):
                place = (point.panel, repr(point.x))
                y += 1.0 if last == place else 2.0 if last else 0.0
                rows.append((y, point))
                last = place
    return rows


def _headings(points: Points, rows: Sequence[tuple[float, Point]]) -> dict[str, float]:
    headings: dict[str, float] = {}
    for y, point in rows:
        parts = [point.panel] if point.panel else []
        parts += [f"{points.x} {text(point.x)}" if points.x else text(point.x)] if point.x is not None else []
        if parts:
            headings.setdefault(", ".join(parts), y)
    return headings
