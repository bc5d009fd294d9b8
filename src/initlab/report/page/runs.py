"""The runs of a sweep as data of a page: one row each, and curves that are read on a click."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from shlex import quote
from typing import Any

from initlab.report.evidence import Cell, Evidence
from initlab.report.form.curves import finite
from initlab.report.layers import FEWEST_LAYERS
from initlab.report.values import number, text, varying
from initlab.results.metrics_csv import Cell as Entry

COLUMNS = {
    "test/acc": "test acc", "best/val_acc": "val acc", "train/loss": "train loss",
    "hessian/log10_spectral_norm": "log10 norm",
}  # fmt: skip
MOST_POINTS = 60  # of a curve; a page of 5,000 runs stays within some megabytes
MOST_CURVES = 8
Curve = list[list[float | None]]


def rows(evidence: Evidence) -> dict[str, Any]:
    """Return the table of runs: columns, rows, and what a click shows beside the curves.

    ``group`` numbers the runs that differ in the seed alone, and ``choices`` names the columns that a reader
    can choose a value of.
    """
    cells = evidence.cells
    axes = varying([cell.axes for cell in cells])
    metrics = [name for name in COLUMNS if any(cell.metric(name) is not None for cell in cells)]
    columns = ["run", "status", *axes, *(COLUMNS[name] for name in metrics), "seconds"]
    made = [_row(cell, axes, metrics) for cell in cells]
    groups: dict[str, int] = {}
    group = [
        groups.setdefault(repr([cell.axes.get(axis) for axis in axes if axis != "seed"]), len(groups))
        for cell in cells
    ]
    return {
        "columns": columns,
        "numbers": [
            all(row[index] is None or finite(row[index]) is not None for row in made)
            for index in range(len(columns))
        ],
        "choices": ["status", *axes],
        "rows": made,
        "group": group,
        "facts": [_facts(cell, evidence) for cell in cells],
    }


def _row(cell: Cell, axes: Sequence[str], metrics: Sequence[str]) -> list[Any]:
    shown = [_plain(number(cell.axes.get(axis))) for axis in axes]
    seconds = round(cell.result.wall_s, 1) if cell.result else None
    return [cell.run_id, cell.status, *shown, *(_rounded(cell.metric(name)) for name in metrics), seconds]


def _facts(cell: Cell, evidence: Evidence) -> list[list[str]]:
    command = again(cell, evidence)
    facts = [["run it again", command]] if command else []
    if cell.result is None:
        return [["result", "none: it has not run, is running, or what it left was left out"], *facts]
    if cell.result.error:
        facts.insert(0, ["what went wrong", cell.result.error])
    numbers = [
        f"{name} {text(_rounded(value))}"
        for name, value in cell.result.metrics.items()
        if name.count("/") == 1 and value is not None
    ]
    return [*facts, ["numbers", ", ".join(numbers[:24])]] if numbers else facts


def again(cell: Cell, evidence: Evidence) -> str:
    """Return the command that carries out one run of a sweep; nothing where its manifest does not tell it."""
    if not evidence.claim and "fixed" not in evidence.manifest:
        return ""
    experiment = evidence.claim or evidence.manifest.get("experiment")
    if not experiment and "experiment" not in cell.axes:
        experiment = cell.result.config.get("experiment") if cell.result else None
    words = [f"experiment={experiment}"] if experiment else []
    words += ["scale=laptop"] if evidence.reduced else []
    words += evidence.manifest.get("fixed", [])
    words += [f"{key}={_typed(value)}" for key, value in cell.axes.items()]
    return f"python train.py {' '.join(map(quote, words))}"


def _typed(value: Any) -> str:
    """Write a value as the command line takes it, to the last digit: the run's id is made of them."""
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_typed, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value) if isinstance(value, float) else str(value)


def curves(evidence: Evidence) -> dict[str, dict[str, Curve]]:
    """Return the curves of each run: its metrics over epochs, or along the network where it was probed."""
    found = {}
    for cell in evidence.cells:
        if cell.result is None:
            continue
        drawn = _over_epochs(evidence.tables(cell.run_id).get("metrics", ())) or _along(cell.result.metrics)
        if drawn:
            found[cell.run_id] = dict(list(drawn.items())[:MOST_CURVES])
    return found


def _over_epochs(table: Sequence[Mapping[str, Entry]]) -> dict[str, Curve]:
    names = [name for name in dict.fromkeys(name for row in table for name in row) if name != "epoch"]
    drawn = {}
    for name in names:
        pairs = [
            (epoch, finite(row.get(name))) for row in table if (epoch := finite(row.get("epoch"))) is not None
        ]
        if any(value is not None for _, value in pairs):
            drawn[name] = _thin(pairs)
    return drawn


def _along(metrics: Mapping[str, Any]) -> dict[str, Curve]:
    families: dict[str, list[tuple[float, float | None]]] = {}
    for name, value in metrics.items():
        if name.count("/") >= 2:
            values = families.setdefault("/".join(name.split("/")[:2]), [])
            values.append((len(values) + 1.0, finite(value)))
    return {
        name: _thin(pairs)
        for name, pairs in families.items()
        if len(pairs) >= FEWEST_LAYERS and any(value is not None for _, value in pairs)
    }


def _thin(pairs: Sequence[tuple[float, float | None]]) -> Curve:
    """Keep at most ``MOST_POINTS`` points at even steps, the first and the last among them."""
    if len(pairs) > MOST_POINTS:
        step = (len(pairs) - 1) / (MOST_POINTS - 1)
        pairs = [pairs[round(index * step)] for index in range(MOST_POINTS)]
    return [[int(x) if x == int(x) else x for x, _ in pairs], [_rounded(y) for _, y in pairs]]


def _rounded(value: float | int | None) -> float | int | None:
    return value if value is None or isinstance(value, int) else float(f"{value:.4g}")


def _plain(value: Any) -> Any:
    """Return what JSON can hold: a whole number as such, and anything that is no number in words."""
    if isinstance(value, float):
        return (int(value) if value.is_integer() else value) if isfinite(value) else text(value)
    return value if value is None or isinstance(value, str) else text(value)
