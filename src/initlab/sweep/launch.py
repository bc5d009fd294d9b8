"""How the cells of a sweep are carried out. Here: one after another in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from initlab.results.record import RunResult
from initlab.sweep.plan import Cell

Run = Callable[[Mapping[str, Any]], RunResult]


def in_process(run: Run, cells: Sequence[Cell], report: Callable[[RunResult], None], fail_fast: bool) -> None:
    """Run each cell and report its result; a crash of one leaves the others alone, unless ``fail_fast``."""
    for cell in cells:
        result = run(cell.config)
        report(result)
        if fail_fast and result.status == "crashed":
            return
