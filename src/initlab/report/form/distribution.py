"""How the values of all runs lie at each x: a box between the quartiles, whiskers to 10% and 90%."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from initlab.report.form.base import GREY, INK, Form, logarithmic, look, place_xs
from initlab.report.points import Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def distribution(points: Points, title: str, target: float | None = None) -> Form:
    """Draw a box for each point; ``target`` is what theory says, as a dotted line."""

    def draw(axes: Sequence[Axes]) -> None:
        for ax, panel in zip(axes, points.panels or [""], strict=True):
            names = {x: float(index) for index, x in enumerate(points.xs)}
            place_xs(ax, [str(x) for x in points.xs], log_x=False)
            width = 0.7 / max(len(points.series), 1)
            for index, series in enumerate(points.series):
                colour, _ = look(index)
                for point in points.at(series, panel):
                    if not point.values:
                        continue
                    x = names[point.x] + (index - (len(points.series) - 1) / 2) * width
                    ax.boxplot(
                        list(point.values), positions=[x], widths=width * 0.8, whis=(10, 90),
                        manage_ticks=False, patch_artist=True,
                        boxprops={"facecolor": colour, "alpha": 0.75, "edgecolor": colour},
                        medianprops={"color": INK, "lw": 1.6}, whiskerprops={"color": colour},
                        capprops={"color": colour}, flierprops={"marker": ".", "ms": 3, "mec": colour},
                    )  # fmt: skip
            if target is not None:
                ax.axhline(target, color=GREY, lw=0.9, ls=":")
            if points.measure.log:
                logarithmic(ax)
            ax.set_xlabel(points.x)
        axes[0].set_ylabel(points.measure.label)

    return Form(title, points, draw, tuple(points.panels) or ("",))
