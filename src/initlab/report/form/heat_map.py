"""A matrix of numbers as a heat map, a panel per series; cells hold the mean over runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from initlab.report.evidence import Cell
from initlab.report.form.base import Form
from initlab.report.points import Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Matrix = Sequence[Sequence[float]]


def heat_map(points: Points, title: str, matrix: Callable[[Cell], Matrix], label: str, axis: str) -> Form:
    """Draw the mean matrix of each series on one logarithmic scale of colours.

    Args:
        points: without an x; a panel per series.
        title: of the form.
        matrix: of one run, rows first; an empty one where it has none.
        label: what a cell is.
        axis: what rows and columns are.
    """
    means = {
        series: _mean([matrix(cell) for p in points.at(series) for cell in p.cells])
        for series in points.series
    }
    logs = [math.log10(v) for rows in means.values() for row in rows for v in row if v > 0]

    def draw(axes: Sequence[Axes]) -> None:
        for ax, series in zip(axes, points.series or [""], strict=True):
            rows = means.get(series, [])
            ax.set_xlabel(axis)
            ax.grid(visible=False)
            if not rows:
                continue
            shades = [[math.log10(v) if v > 0 else math.nan for v in row] for row in rows]
            middle = (min(logs) + max(logs)) / 2
            ax.imshow(shades, cmap="viridis", vmin=min(logs), vmax=max(logs), aspect="auto")
            for i, row in enumerate(rows):
                for j, value in enumerate(row):
                    ink = "#ffffff" if value <= 0 or math.log10(value) < middle else "#000000"
                    ax.text(j, i, brief(value), ha="center", va="center", fontsize=7.5, color=ink)
            ax.set_xticks(range(len(rows)), [str(i + 1) for i in range(len(rows))])
            ax.set_yticks(range(len(rows)), [str(i + 1) for i in range(len(rows))])
        axes[0].set_ylabel(f"{axis} (a cell: {label})")

    panels = tuple(points.series) or ("",)
    return Form(title, points, draw, panels, height=3.2, share_y=False, legend=False)


def brief(value: float) -> str:
    """Write a number so short that a cell holds it: two digits, 0.0021, 65, 4.1e5."""
    return f"{value:.2g}".replace("e+0", "e").replace("e-0", "e-")


def _mean(found: Sequence[Matrix]) -> list[list[float]]:
    """Return the mean of the matrices that are there and of the same size as the first."""
    there = [rows for rows in found if rows]
    sizes = [[len(row) for row in rows] for rows in there]
    alike = [rows for rows, size in zip(there, sizes, strict=True) if size == sizes[0]]
    if not alike:
        return []
    return [
        [fmean(rows[i][j] for rows in alike) for j in range(len(alike[0][i]))] for i in range(len(alike[0]))
    ]
