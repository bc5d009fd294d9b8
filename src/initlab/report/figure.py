"""Accuracy against learning rate, and the training curves at each series' best one."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from initlab.report.comparison import Comparison, Group, mean_and_sd
from initlab.report.provenance import settings
from initlab.report.style import COLOURS, GREY, MARKERS, STYLE

Curve = dict[float, float]
"""Validation accuracy in percent, by epoch."""

LABEL_GAP = 0.105  # between names, as a fraction of the axes' height


def curves(comparison: Comparison) -> dict[str, list[Curve]]:
    """Read the validation curve of each finished run at its series' best learning rate."""
    read: dict[str, list[Curve]] = {}
    for series, group in comparison.best.items():
        read[series] = []
        for run in group.finished:
            rows = comparison.evidence.tables(run.run_id).get("metrics", [])
            curve: Curve = {}
            for row in rows:
                epoch, accuracy = row.get("epoch"), row.get("val/acc")
                if isinstance(epoch, (int, float)) and isinstance(accuracy, (int, float)):
                    curve[float(epoch)] = 100 * float(accuracy)
            if curve:
                read[series].append(curve)
    return read


def draw(comparison: Comparison, curves: Mapping[str, Sequence[Curve]]) -> dict[str, bytes]:
    """Draw the figure and return it as ``png`` and ``svg``; the same results give the same bytes."""
    with matplotlib.rc_context(STYLE):
        # In inches: room below for the axis and the caption, at the right for the names of the series.
        words = caption(comparison)
        below, above = 0.62 + 0.165 * len(words.splitlines()), 0.62
        height = max(3.13, 0.34 * len(comparison.series)) + below + above
        beside = 0.45 + max(0.1 * max(map(len, comparison.series), default=0), 1.4)
        width = 8.4 + beside
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, sharey=True)
        figure.subplots_adjust(
            left=0.68 / width, right=1 - beside / width, top=1 - above / height, bottom=below / height,
            wspace=0.07,
        )  # fmt: skip
        against_rate(left, comparison)
        over_epochs(right, comparison, curves)
        left.set_ylabel("validation accuracy (%)")
        low, high = left.get_ylim()
        left.set_ylim(min(low, -3.0) if comparison.count("diverged") else max(low, 0.0), min(high, 102))
        label_ends(right, comparison, curves)
        figure.text(
            0.12 / width, 1 - 0.22 / height, comparison.name, fontsize=12.5, weight="bold", va="center"
        )
        figure.text(0.12 / width, 0.08 / height, words, fontsize=8, color=GREY, va="bottom", linespacing=1.45)
        png, svg = io.BytesIO(), io.BytesIO()
        figure.savefig(png, format="png", dpi=160)
        figure.savefig(svg, format="svg", metadata={"Date": None})
    return {"png": png.getvalue(), "svg": svg.getvalue()}


def against_rate(axes: Axes, comparison: Comparison) -> None:
    """Draw every seed, mean and standard deviation against the learning rate."""
    rates = sorted({group.lr for group in comparison.groups if group.lr})
    step = min([*(high / low for low, high in pairwise(rates)), 10.0])
    slot = step ** (0.4 / max(len(comparison.series), 2))  # side by side, so that no series hides another
    for index, series in enumerate(comparison.series):
        aside = slot ** (index - (len(comparison.series) - 1) / 2)
        groups = [group for group in comparison.groups if group.series == series and group.lr]
        series_against_rate(axes, groups, comparison.best[series], (aside, slot), *look(index))
    if rates:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(rates))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticklabels([f"{rate:g}" for rate in rates])
        axes.set_xlim(rates[0] / step**0.3, rates[-1] * step**0.3)
    axes.set_xlabel("learning rate")
    axes.set_title("each run at its best epoch", loc="left", fontsize=9.5, color=GREY)


def series_against_rate(
    axes: Axes, groups: Sequence[Group], best: Group, place: tuple[float, float], colour: str, marker: str
) -> None:
    """Draw one series against the learning rate.

    ``place`` is the factor that moves it aside, and the factor from one series to the next: the seeds stand
    left of their mean.
    """
    aside, slot = place
    means: list[tuple[float, float]] = []
    for group in groups:
        assert group.lr is not None
        x, x_seeds = group.lr * aside * slot**0.12, group.lr * aside / slot**0.2
        accuracies = [100 * value for value in group.accuracies("val")]
        axes.plot(
            [x_seeds] * len(accuracies), accuracies, ".", color=colour, alpha=0.5, ms=6.5, mew=0, zorder=3
        )
        spread = mean_and_sd(accuracies)
        if spread is not None:
            means.append((x, spread[0]))
            face = colour if group is best else "white"
            axes.errorbar(
                x, spread[0], yerr=spread[1], fmt=marker, color=colour, mfc=face, ms=6.5, mew=1.4, zorder=4,
                elinewidth=1.2, capsize=2.5,
            )  # fmt: skip
        if diverged := group.count("diverged"):
            axes.plot([x], [0], "x", color=colour, ms=7, mew=1.8, zorder=5, clip_on=False)
            axes.annotate(
                str(diverged), (x, 0), (0, 6), textcoords="offset points", ha="center", va="bottom",
                fontsize=7.5, color=colour,
            )  # fmt: skip
    axes.plot([x for x, _ in means], [mean for _, mean in means], color=colour, lw=1.5, zorder=2)


def over_epochs(axes: Axes, comparison: Comparison, curves: Mapping[str, Sequence[Curve]]) -> None:
    """Draw the mean curve of each series within the band from its lowest to its highest seed."""
    for index, series in enumerate(comparison.series):
        colour, marker = look(index)
        by_epoch = gathered(curves[series])
        epochs = list(by_epoch)
        axes.fill_between(
            epochs, [min(v) for v in by_epoch.values()], [max(v) for v in by_epoch.values()], color=colour,
            alpha=0.16, lw=0,
        )  # fmt: skip
        alone = {"marker": marker} if len(epochs) == 1 else {}
        means = [fmean(values) for values in by_epoch.values()]
        axes.plot(epochs, means, color=colour, lw=1.8, zorder=3, **alone)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.margins(x=0.01)
    axes.set_title("each at its best learning rate", loc="left", fontsize=9.5, color=GREY)


def label_ends(axes: Axes, comparison: Comparison, curves: Mapping[str, Sequence[Curve]]) -> None:
    """Name each series at the right end of its curve, moved apart where two ends are close."""
    low, high = axes.get_ylim()
    ends: dict[str, float] = {}
    for series in comparison.series:
        by_epoch = gathered(curves[series])
        last = fmean(by_epoch[max(by_epoch)]) if by_epoch else 0.0
        ends[series] = (last - low) / (high - low)
    heights = spread_apart(ends, min(LABEL_GAP, 1 / max(len(ends) - 1, 1)))
    for index, series in enumerate(comparison.series):
        colour, marker = look(index)
        best = comparison.best[series]
        rate = "" if best.lr is None else f"lr {best.lr:g}, "
        remark = f"{rate}n = {len(best.finished)}"
        if diverged := best.count("diverged"):
            remark += f", {diverged} diverged"
        height = heights[series]
        axes.plot(
            [1.035], [height], marker, color=colour, transform=axes.transAxes, clip_on=False, ms=6,
            scalex=False, scaley=False,
        )  # fmt: skip
        axes.text(1.06, height, series, transform=axes.transAxes, color=colour, weight="bold", va="center")
        axes.annotate(
            remark, (1.06, height), (0, -10.5), xycoords="axes fraction", textcoords="offset points",
            fontsize=8, color=GREY, va="center", annotation_clip=False,
        )  # fmt: skip


def caption(comparison: Comparison) -> str:
    """Say what was run and what the marks mean."""
    shared = settings(comparison.evidence)
    lines = ["; ".join([*([shared] if shared else []), f"n = {comparison.replicates} seeds at each point"])]
    marks = "Left: dots are seeds, marks mean ± 1 sd, the filled mark is the best learning rate. "
    marks += "Right: mean, and band from lowest to highest seed."
    lines.append(marks)
    if comparison.count("diverged"):
        lines.append(
            "Crosses: that many runs diverged; they count as 0 where the best learning rate is chosen."
        )
    left_out = comparison.count("crashed", "killed", "refused", "missing")
    if left_out:
        runs = f"{left_out} of {len(comparison.runs)} runs"
        lines.append(f"Not drawn: {runs}, which crashed, were stopped or have not run.")
    return "\n".join(lines)


def gathered(curves: Sequence[Curve]) -> dict[float, list[float]]:
    """Return the values of all curves at each epoch, epochs rising."""
    epochs = sorted({epoch for curve in curves for epoch in curve})
    return {epoch: [curve[epoch] for curve in curves if epoch in curve] for epoch in epochs}


def spread_apart(heights: Mapping[str, float], gap: float) -> dict[str, float]:
    """Move heights in [0, 1] as little as needed for neighbours to be ``gap`` apart; order stays."""
    names = sorted(heights, key=lambda name: heights[name])
    placed: list[float] = []
    for name in names:  # upwards from the lowest
        placed.append(max(heights[name], placed[-1] + gap if placed else 0.0))
    ceiling = 1.0
    for index in reversed(range(len(placed))):  # and back down below the top
        placed[index] = min(placed[index], ceiling)
        ceiling = placed[index] - gap
    return dict(zip(names, placed, strict=True))


def look(index: int) -> tuple[str, Any]:
    """Return colour and marker of the series with this index."""
    return COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
