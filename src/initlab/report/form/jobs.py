"""Every job of each series, sorted from best to worst: how wide the range of settings is that train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from initlab.report.form.base import Form, look, scale_y
from initlab.report.points import Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def jobs(points: Points, title: str) -> Form:
    """Draw the values of each series in order, a mark per run that counts."""

    def draw(axes: Sequence[Axes]) -> None:
        for ax, panel in zip(axes, points.panels or [""], strict=True):
            seen: list[float] = []
            for index, series in enumerate(points.series):
                colour, marker = look(index)
                values = sorted(
                    (value for point in points.at(series, panel) for value in point.values), reverse=True
                )
                ax.plot(range(1, len(values) + 1), values, marker, color=colour, ms=4.5, alpha=0.8, mew=0)
                seen += values
            scale_y(ax, points.measure, seen)
            ax.set_xlabel("jobs, sorted")
        axes[0].set_ylabel(points.measure.label)

    return Form(title, points, draw, tuple(points.panels) or ("",))
