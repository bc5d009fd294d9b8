"""How the diagnostics draw: one look for measurements along a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#2f6fab", "#d9822b", "#3a8f5c", "#8a8f98"
MAX_NAMES = 30  # with more layers than this along the axis, names would not be readable


def panels(count: int, width: float = 5.2, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    """Make a figure of ``count`` panels side by side, without pyplot and its global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * count, height), layout="constrained")
    axes = [figure.add_subplot(1, count, index + 1) for index in range(count)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(True, color="0.92", linewidth=0.8)
        ax.set_axisbelow(True)
    return figure, axes


def name_axis(ax: Axes, names: Sequence[str], what: str = "layer") -> None:
    """Write the names of layers along the horizontal axis, or number them where there are too many."""
    if len(names) <= MAX_NAMES:
        ax.set_xticks(range(len(names)), names, rotation=90 if len(names) > 6 else 0, fontsize=7)
    else:
        ax.set_xlabel(f"{what}, in the order of use")
    ax.set_xlim(-0.5, max(len(names), 1) - 0.5)


def log_axis(ax: Axes, values: Sequence[float | None]) -> None:
    """Make the vertical axis logarithmic where a value is positive; over whole decades if few."""
    positive = [value for value in values if value is not None and value > 0]
    if not positive:
        return
    from matplotlib.ticker import NullFormatter

    ax.set_yscale("log")
    ax.yaxis.set_minor_formatter(NullFormatter())
    low, high = math.floor(math.log10(min(positive)) - 0.05), math.ceil(math.log10(max(positive)) + 0.05)
    if high - low <= 3:
        ax.set_ylim(10.0**low, 10.0**high)


def legend(ax: Axes) -> None:
    """Add a small legend that stays readable over a line."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=7, framealpha=0.85, edgecolor="none", loc="best")


def line(ax: Axes, values: Sequence[float | None], label: str, color: str, **style: Any) -> None:
    """Draw one value per layer; a gap where there is none."""
    heights = [float("nan") if value is None else value for value in values]
    style = {"marker": "o", "markersize": 3, "linewidth": 1.2, **style}
    ax.plot(range(len(heights)), heights, label=label, color=color, **style)
