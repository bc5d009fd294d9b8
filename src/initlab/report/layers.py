"""Numbers of a run that are made of one metric at every layer of the network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from initlab.report.evidence import Cell

Read = Callable[[Cell], float | None]
ENDS = ("input", "head")
FEWEST_LAYERS = 3  # that make a curve along the network


def by_name(cell: Cell, prefix: str) -> dict[str, float]:
    """Return the metrics ``<prefix>/<layer>`` of a finished run by layer, in the order of the layers."""
    if cell.result is None or cell.status != "ok":
        return {}
    return {
        name[len(prefix) + 1 :]: float(value)
        for name, value in cell.result.metrics.items()
        if name.startswith(f"{prefix}/") and value is not None
    }


def along(cell: Cell, prefix: str) -> list[float]:
    """Return the numbers along the network's path: of blocks and of layers outside, without input and head.

    A layer within a block, ``blocks.0.branch.2`` in ``blocks.0``, is no place of the path.
    """
    found = by_name(cell, prefix)
    return [value for name, value in found.items() if name not in ENDS and not _within(name, found)]


def last(prefix: str) -> Read:
    """Return what reads the number at the end of the path."""
    return lambda cell: next(iter(along(cell, prefix)[::-1]), None)


def start(prefix: str) -> Read:
    """Return what reads the number at the start of the path."""
    return lambda cell: next(iter(along(cell, prefix)), None)


def drift(prefix: str) -> Read:
    """Return what reads how far the number goes from that at the start of the path, at most."""

    def read(cell: Cell) -> float | None:
        values = along(cell, prefix)
        return max(abs(value - values[0]) for value in values) if values else None

    return read


def rise(prefix: str) -> Read:
    """Return what reads how much higher the number is at the end of the path than at its start."""

    def read(cell: Cell) -> float | None:
        values = along(cell, prefix)
        return values[-1] - values[0] if values else None

    return read


def quotient(above: str, below: str) -> Callable[[str], Read]:
    """Return what gives, for a layer, what reads one metric over another there."""

    def of(layer: str) -> Read:
        def read(cell: Cell) -> float | None:
            a, b = cell.metric(f"{above}/{layer}"), cell.metric(f"{below}/{layer}")
            return a / b if a is not None and b and math.isfinite(a / b) else None

        return read

    return of


def names(cells: Sequence[Cell], prefix: str) -> list[str]:
    """Return the names of the layers that have a metric, in their order."""
    return list(dict.fromkeys(name for cell in cells for name in by_name(cell, prefix)))


def _within(name: str, others: dict[str, float]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:end]) in others for end in range(1, len(parts)))
