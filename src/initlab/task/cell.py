"""One cell of a sweep, or those of a pack; a worker process imports no more before its first order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from initlab.results.lock import Held
from initlab.results.record import RunResult
from initlab.task.run import run_task


def run_cell(config: Mapping[str, Any] | list[Mapping[str, Any]]) -> RunResult | list[RunResult | Held]:
    """Carry them out; importable by name."""
    if isinstance(config, list):
        from initlab.task.population import run_population

        return run_population(config)
    return run_task(config)
