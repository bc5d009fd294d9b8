"""Run the cells of a grid that have no result yet, and say what became of all of them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from hydra.core.config_loader import ConfigLoader
from rich.table import Table

from initlab.errors import ConfigError, InitlabError
from initlab.progress import console, progress
from initlab.results.lock import Held
from initlab.results.record import RunResult
from initlab.results.store import Store
from initlab.sweep.compose import Composer
from initlab.sweep.launch import Report
from initlab.sweep.plan import Cell, Plan, plan

AGAIN = frozenset({"missing", "killed"})
RETRIABLE = ("crashed", "diverged", "refused", "ok")


class Launcher(Protocol):
    """What carries the cells out."""

    def launch_cells(self, cells: Sequence[Cell], report: Report, fail_fast: bool) -> None:
        """Run the cells and report what became of each as it comes."""


def sweep(loader: ConfigLoader, launcher: Launcher, arguments: Sequence[str]) -> None:
    """Plan the grid, run what is missing, print the counts; exit 1 after a crash, 2 if the plan is wrong."""
    try:
        planned = plan(Composer(loader), arguments)
        options = planned.cells[0].config["sweep"]
        store = Store(planned.cells[0].config["paths"]["output_dir"])
        todo = select(planned, store, options)
        if options["dry_run"]:
            console.print(cells_table(planned, store))
            return
        store.write_sweep(planned.name, manifest(planned, arguments))
    except InitlabError as error:
        console.print(f"error: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    if not hasattr(launcher, "launch_cells"):
        sys.exit("hydra/sweeper=grid needs one of the project's launchers, such as hydra/launcher=basic")
    counts: Counter[str] = Counter()
    with progress() as display:
        done = len(planned.cells) - len(todo)
        bar = display.add_task(planned.name, total=len(planned.cells), completed=done, note="")

        def report(result: RunResult | Held) -> None:
            counts["running elsewhere" if isinstance(result, Held) else result.status] += 1
            display.update(bar, advance=1, note=", ".join(f"{n} {s}" for s, n in counts.items()))

        interrupted = False
        try:
            cells = [placed(planned, cell) for cell in todo]
            launcher.launch_cells(cells, report, bool(options["fail_fast"]))
        except KeyboardInterrupt:
            interrupted = True
        except InitlabError as error:
            console.print(f"error: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
            sys.exit(2)
    states = store.states([cell.run_id for cell in planned.cells])
    elsewhere = counts.pop("running elsewhere", 0)
    console.print(summary(planned, states, store, ran=sum(counts.values())), highlight=False, soft_wrap=True)
    if elsewhere:
        console.print(f"{elsewhere} of them running elsewhere, and left to it", highlight=False)
    if "crashed" in states.values():
        console.print(failures_table(planned, store))
    if interrupted:
        console.print("interrupted: the same command goes on from here", highlight=False)
        sys.exit(130)
    if "crashed" in states.values():
        sys.exit(1)


def select(planned: Plan, store: Store, options: Mapping[str, Any]) -> list[Cell]:
    """Choose the cells to run now: those without a result, and those whose status is to be retried.

    Raises:
        ConfigError: ``sweep.retry`` names a status that does not exist.
    """
    retry = options["retry"]
    wrong = [status for status in retry if status not in RETRIABLE]
    if wrong:
        raise ConfigError(f"sweep.retry={wrong[0]}: can be {', '.join(RETRIABLE)}")
    states = store.states([cell.run_id for cell in planned.cells])
    todo = [cell for cell in planned.cells if states[cell.run_id] in AGAIN | set(retry)]
    limit = options["max_runs"]
    return todo if limit is None else todo[:limit]


def placed(planned: Plan, cell: Cell) -> Cell:
    """Return a cell whose configuration says where it stands, under keys that are not part of its run id."""
    place = {**cell.config["sweep"], "plan": planned.name, "cell": dict(cell.axes)}
    return replace(cell, config={**cell.config, "sweep": place})


def manifest(planned: Plan, arguments: Sequence[str]) -> dict[str, Any]:
    """Describe a sweep for the report: its cells, by run id, with the overrides that it varies."""
    return {
        "schema_version": 1,
        "name": planned.name,
        "experiment": planned.experiment,
        "scale": planned.scale,
        "command": f"python train.py -m {' '.join(arguments)}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "cells": [{"run_id": cell.run_id, "overrides": dict(cell.axes)} for cell in planned.cells],
    }


def summary(planned: Plan, states: Mapping[str, str], store: Store, ran: int) -> str:
    """Say in one sentence what became of the cells."""
    counts = Counter(states.values())
    told = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
    folder = f"{store.output_dir}/runs"
    return f"{planned.name}: {len(planned.cells)} runs ({told}), {ran} of them now, in {folder}"


def cells_table(planned: Plan, store: Store) -> Table:
    """List the cells and their states."""
    states = store.states([cell.run_id for cell in planned.cells])
    table = Table(title=f"{planned.name}: {len(planned.cells)} cells, nothing run")
    for heading in ("run", "state", "overrides"):
        table.add_column(heading, overflow="fold")
    for cell in planned.cells:
        overrides = " ".join(f"{key}={value}" for key, value in cell.axes.items())
        table.add_row(cell.run_id, states[cell.run_id], overrides)
    return table


def failures_table(planned: Plan, store: Store) -> Table:
    """List the crashed cells with the error of each."""
    table = Table(title="crashed")
    for heading in ("run", "overrides", "error"):
        table.add_column(heading, overflow="fold")
    wanted = {cell.run_id: cell for cell in planned.cells}
    for result in store.results():
        if result.run_id in wanted and result.status == "crashed":
            axes = wanted[result.run_id].axes
            table.add_row(result.run_id, " ".join(f"{k}={v}" for k, v in axes.items()), result.error or "")
    return table
