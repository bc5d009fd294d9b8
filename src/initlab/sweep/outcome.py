"""What a sweep prints: its cells before they run, and at the end the counts and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from initlab.results.record import STATUSES, RunResult
from initlab.results.store import MISSING
from initlab.sweep.cell import Cell
from initlab.sweep.plan import Plan

FAILED = ("crashed", "killed", "refused")
SHOWN = 20


def fallen(keys: Sequence[str]) -> str:
    """Say which settings of an experiment fell away, in a note."""
    told = ", ".join(keys)
    return f"note: the experiment sets {told}; what is chosen instead goes without what it does not have"


def cells(planned: Plan, states: Mapping[str, str], why: Mapping[str, str]) -> Iterator[str]:
    """List every cell with its state, and the reasons that are known, then count them.

    Args:
        planned: the sweep.
        states: of the cells, by run id.
        why: reasons, by run id.
    """
    width = max(map(len, states.values()))
    for cell in planned.cells:
        reason = f"  ({why[cell.run_id]})" if cell.run_id in why else ""
        yield f"{cell.run_id}  {states[cell.run_id]:<{width}}  {axes(cell)}{reason}"
    told = ", ".join(f"{number} {state}" for state, number in Counter(states.values()).most_common())
    yield f"{planned.name}: {len(planned.cells)} cells ({told}), nothing run"


def counts(planned: Plan, states: Mapping[str, str], now: Mapping[str, int], folder: str) -> Iterator[str]:
    """Say how many cells came to which end, in all and now.

    Args:
        planned: the sweep.
        states: of the cells, by run id.
        now: how many came to each end in this launch.
        folder: of the runs.
    """
    yield f"{planned.name}: {len(planned.cells)} runs, {sum(now.values())} of them now, in {folder}"
    total = Counter(states.values())
    yield f"  {'':<8}  {'all':>6}  {'now':>6}"
    for status in (*STATUSES, MISSING):
        if total[status]:
            yield f"  {status:<8}  {total[status]:>6}  {now.get(status, 0) or '·':>6}"


def failures(planned: Plan, results: Mapping[str, RunResult]) -> Iterator[str]:
    """List the cells that failed, crashes first, with the last line of each error.

    A refusal is said once for all cells that it concerns. Crashes end with how to run them again, which the
    same command alone does not.

    Args:
        planned: the sweep.
        results: of its cells, by run id.
    """
    found: dict[tuple[str, str], list[Cell]] = {}
    for status in FAILED:
        for cell in planned.cells:
            result = results.get(cell.run_id)
            if result is not None and result.status == status:
                found.setdefault(
                    (status, str(result.error) if status == "refused" else cell.run_id), []
                ).append(cell)
    for (status, _), concerned in list(found.items())[:SHOWN]:
        cell, more = concerned[0], len(concerned) - 1
        told = f" and {more} more" if more else ""
        error = results[cell.run_id].error or "no reason known"
        yield f"{status}  {cell.run_id}  {axes(cell)}{told}: {error}"
    if len(found) > SHOWN:
        yield f"... and {len(found) - SHOWN} more: `python -m initlab list -w status=crashed` names them"
    if any(status == "crashed" for status, _ in found):
        yield "once the cause is mended: `sweep.retry=crashed` runs what crashed again"


def axes(cell: Cell) -> str:
    """Write what the sweep varies in a cell as on the command line."""
    return " ".join(f"{key}={value}" for key, value in cell.axes.items())
