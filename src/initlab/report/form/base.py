"""What every form has: a title, the points of its table, and a way to draw itself."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from initlab.report.measure import Measure, digits
from initlab.report.points import Points
from initlab.report.style import COLOURS as SERIES_COLOURS
from initlab.report.style import GREY, MARKERS, STYLE
from initlab.report.values import text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.lines import Line2D

COLOURS = SERIES_COLOURS[:-1]  # without black, which is the ink of the page
INK = "#222222"
PAPER = "#ffffff"
# `$` is a character of somebody's config here, and no mathematics.
CLAIM_STYLE = STYLE | {"text.parse_math": False, "text.color": INK, "legend.frameon": False}
LONGEST_NAME = 44  # letters beside or above axes
LONGEST_IN_LEGEND = 64
LETTER = 0.068  # inches, of the names at an axis
MOST_COLUMNS = 3


@dataclass(frozen=True)
class Form:
    """A figure with its table.

    Args:
        title: what it shows, in words, with the number in the paper.
        points: of the table, a row each.
        draw: fills one axes per panel; called with the axes in the order of ``panels``.
        panels: titles of the axes, side by side.
        height: of the axes, in inches.
        pivot: whether the paper has a table here: a line per x, a column per series.
        share_y: whether all panels have one vertical axis.
        legend: whether what the marks stand for is named above.
        name_series: whether the series are, too; where each row has its name they need not be.
        legend_of_paper: what stands for the paper's numbers: ``line``, ``mark`` or nothing.
    """

    title: str
    points: Points
    draw: Callable[[Sequence[Axes]], None]
    panels: tuple[str, ...] = ("",)
    height: float = 3.0
    pivot: bool = False
    share_y: bool = True
    legend: bool = True
    name_series: bool = True
    legend_of_paper: str = ""

    @property
    def alt(self) -> str:
        """Say in words what a person who cannot see the figure would miss."""
        measure, parts = self.points.measure, []
        for series in self.points.series:
            for panel in self.points.panels:
                shown = [p for p in self.points.at(series, panel) if p.values]
                if not shown:
                    continue
                ends = [shown[0]] if len(shown) == 1 else [shown[0], shown[-1]]
                told = " to ".join(
                    digits(measure.middle(p.values) or 0.0) + (f" at {text(p.x)}" if p.x is not None else "")
                    for p in ends
                )
                parts.append(f"{series}{f' ({panel})' if panel else ''}: {told}")
        numbers = "; ".join(parts) or "no run has a number to show yet"
        axis = f" against {self.points.x}" if self.points.x else ""
        return f"{self.title} {measure.label}{axis}. {numbers}. The table holds all numbers."


def render(form: Form, remark: str = "") -> dict[str, bytes]:
    """Draw a form and return it as ``png`` and ``svg``; the same results give the same bytes.

    Args:
        form: to draw.
        remark: a line below, such as that the runs are reduced.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(CLAIM_STYLE):
        columns = 2 if len(form.panels) == 4 else min(len(form.panels), MOST_COLUMNS)
        rows = -(-len(form.panels) // columns)
        width = max(7.2, 3.7 * columns)
        handles = _handles(form) if form.legend else []
        longest = max((len(str(handle.get_label())) for handle in handles), default=1)
        per_line = max(1, int(width / (0.62 + 0.085 * longest)))
        lines = -(-len(handles) // per_line) if handles else 0
        words = textwrap.wrap(remark, int(width * 14)) if remark else []
        above, below = 0.32 + 0.19 * lines + 0.12 * any(form.panels), 0.62 + 0.17 * len(words)
        between = 0.75
        inside = rows * form.height + (rows - 1) * between
        height = inside + above + below
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        axes = list(figure.subplots(rows, columns, sharey=form.share_y, squeeze=False).flat)
        for unused in axes[len(form.panels) :]:
            unused.remove()
        axes = axes[: len(form.panels)]
        form.draw(axes)
        lines_of = (label.get_text().split("\n") for ax in axes for label in ax.get_yticklabels())
        longest = max((len(line) for name in lines_of for line in name), default=0)
        left = max(0.82, 0.4 + LETTER * longest)
        figure.subplots_adjust(
            left=left / width, right=1 - 0.2 / width, top=1 - above / height, bottom=below / height,
            wspace=0.08 if form.share_y else 0.28, hspace=between / form.height,
        )  # fmt: skip
        for ax, panel in zip(axes, form.panels, strict=True):
            ax.set_title(short(panel), loc="left", fontsize=9.5, color=GREY)
        for ax in axes[columns::columns]:  # the first of each further line
            ax.set_ylabel(axes[0].get_ylabel())
        if handles:
            figure.legend(
                handles=handles, loc="upper left", bbox_to_anchor=(0.6 / width, 1 - 0.04 / height),
                ncols=per_line, borderaxespad=0, handletextpad=0.5, columnspacing=1.4, fontsize=9,
            )  # fmt: skip
        if words:
            figure.text(0.12 / width, 0.07 / height, "\n".join(words), fontsize=8, color=GREY, va="bottom")
        png, svg = io.BytesIO(), io.BytesIO()
        figure.savefig(png, format="png", dpi=160, facecolor=PAPER)
        figure.savefig(svg, format="svg", metadata={"Date": None}, transparent=True)
    return {"png": png.getvalue(), "svg": svg.getvalue()}


def _handles(form: Form) -> list[Line2D]:
    from matplotlib.lines import Line2D

    handles = []
    for index, series in enumerate(form.points.series if form.name_series else ()):
        colour, marker = look(index)
        handles.append(
            Line2D([], [], color=colour, marker=marker, lw=1.6, ms=6, label=short(series, LONGEST_IN_LEGEND))
        )
    if form.legend_of_paper and form.points.has_published:
        line = form.legend_of_paper == "line"
        marker = "D" if form.name_series and not line else "o"
        if not form.name_series:
            handles.append(Line2D([], [], color=GREY, ls="", marker=marker, ms=5.5, label="ours"))
        handles.append(
            Line2D(
                [], [], color=GREY, ls="--" if line else "", marker=marker, mfc=PAPER, ms=5.5, lw=1.2,
                label="published",
            )
        )  # fmt: skip
    return handles


def look(index: int) -> tuple[str, Any]:
    """Return colour and marker of the series with this index."""
    return COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """Cut a name that would not fit."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def place_xs(ax: Axes, xs: Sequence[Any], log_x: bool) -> dict[Any, float]:
    """Give each x its place on the axis, with a tick: numbers their own, words one after another."""
    numeric = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in xs)
    if not numeric or (log_x and min(xs, default=1) <= 0):
        places = {x: float(index) for index, x in enumerate(xs)}
        names = [short(text(x)) for x in xs]
        upright = sum(map(len, names)) > 60
        ax.set_xticks(
            list(places.values()), names, rotation=30 * upright, ha="right" if upright else "center"
        )
        ax.set_xlim(-0.6, len(xs) - 0.4)
        return places
    if log_x:
        ax.set_xscale("log")
        _name_powers(ax.xaxis, float(min(xs, default=1)), float(max(xs, default=1)))
    if len(xs) <= 12:
        from matplotlib.ticker import FixedLocator, NullLocator

        ax.xaxis.set_major_locator(FixedLocator(list(xs)))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xticklabels([text(x) for x in xs])
    return {x: float(x) for x in xs}


def logarithmic(ax: Axes) -> None:
    """Make the vertical axis logarithmic; called when all is drawn."""
    ax.set_yscale("log")
    _name_powers(ax.yaxis, *ax.get_ylim())


def _name_powers(axis: Axis, low: float, high: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    # matplotlib's own names of powers are mathematics, which CLAIM_STYLE leaves unread.
    subs = (1.0,) if high > 300 * low else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:g}".replace("e-0", "e-").replace("e+0", "e"))
    )
    axis.set_minor_formatter(NullFormatter())


def scale_y(ax: Axes, measure: Measure, values: Sequence[float]) -> None:
    """Make the axis logarithmic where the measure is, and hold percentages to 0 to 100."""
    if measure.log and values and min(values) > 0:
        logarithmic(ax)
    elif measure.factor == 100 and values:
        low, high = min(values), max(values)
        ax.set_ylim(-3 if low < 25 else None, 103 if high > 85 else None)
