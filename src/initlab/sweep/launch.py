"""How the cells of a sweep are carried out. Here: one after another in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from initlab.results.lock import Held
from initlab.results.record import RunResult
from initlab.stopping import requested
from initlab.sweep.plan import Cell


class Run(Protocol):
    """A function that carries out one configuration."""

    __module__: str
    __qualname__: str

    def __call__(self, config: Mapping[str, Any]) -> RunResult:
        """Run it and return its record."""


Report = Callable[[RunResult | Held], None]
"""Told what became of a cell: its result, or that another process carries it out."""


def in_process(run: Run, cells: Sequence[Cell], report: Report, fail_fast: bool) -> None:
    """Run each cell and report its result; a crash of one leaves the others alone, unless ``fail_fast``.

    Raises:
        KeyboardInterrupt: after a run was stopped from outside.
    """
    for cell in cells:
        result: RunResult | Held
        try:
            result = run(cell.config)
        except Held as held:
            result = held
        report(result)
        if (signal := requested()) is not None:
            raise KeyboardInterrupt(f"stopped by {signal}")
        if fail_fast and isinstance(result, RunResult) and result.status == "crashed":
            return
