"""Record a run whose process is gone, so that every run of a sweep has a result."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from initlab.results.environment import own_code, versions
from initlab.results.lock import Held, Lock
from initlab.results.record import Damaged, RunResult, Status
from initlab.results.run_folder import RunFolder


def stamp(folder: RunFolder) -> str | None:
    """Return what tells the present result of a run from a later one; None where there is none to read."""
    try:
        result = folder.read_result()
    except Damaged:
        return None
    return None if result is None else f"{result.status} {result.started} {result.wall_s}"


def record_lost(
    folder: RunFolder,
    config: Mapping[str, Any],
    before: str | None,
    error: str,
    status: Status = "killed",
    wall_s: float = 0.0,
) -> RunResult | Held:
    """Record a run that could not do so itself, unless it did; return what stands there now.

    Args:
        folder: of the run.
        config: of the run.
        before: :func:`stamp` of its folder when it was started.
        error: what became of it, in words.
        status: that it gets.
        wall_s: seconds from its start to its end, where known.
    """
    folder.create()
    try:
        with Lock(folder.path):
            if stamp(folder) not in (None, before):
                result = folder.read_result()
                assert result is not None
                return result
            result = RunResult(
                run_id=folder.run_id,
                status=status,
                config=dict(config),
                seed=config["seed"],
                metrics={},
                versions=versions(),
                git=own_code(),
                device="unknown",
                wall_s=wall_s,
                samples_per_s=None,
                peak_memory_bytes=None,
                error=error,
                started=datetime.now(UTC).isoformat(timespec="seconds"),
            )
            folder.write_result(result)
            return result
    except Held as held:
        return held
