"""Run the cells of a grid that have no result yet, and say what became of all of them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any, Protocol

from hydra.core.config_loader import ConfigLoader

from initlab.errors import ConfigError, InitlabError
from initlab.progress import progress, tell
from initlab.results.environment import was_other_code
from initlab.results.lock import Held
from initlab.results.record import RunResult
from initlab.results.store import MISSING, Store
from initlab.sweep import outcome
from initlab.sweep.argv import as_typed
from initlab.sweep.cell import Cell
from initlab.sweep.compose import Composer
from initlab.sweep.fitting import refusals
from initlab.sweep.launch import Report
from initlab.sweep.lost import record_lost, stamp
from initlab.sweep.pack import packed
from initlab.sweep.plan import Plan, plan
from initlab.sweep.trial import packed_by_trial

AGAIN = frozenset({MISSING, "killed"})
RETRIABLE = ("crashed", "diverged", "refused", "ok")


class Launcher(Protocol):
    """What carries the cells out."""

    def launch_cells(self, cells: Sequence[Cell], report: Report, fail_fast: bool) -> None:
        """Run the cells and report what became of each as it comes."""

    def places(self, cells: Sequence[Cell]) -> Sequence[Mapping[str, str]] | None:
        """Return the environment of each run that is carried out at a time; None where that is elsewhere."""

    def verdicts(self, combinations: Sequence[str], dry_run: bool = False) -> Sequence[tuple[str, str]]:
        """Tell which combinations of parts fit, where that is cheapest; a dry run imports no torch for it."""


def sweep(
    loader: ConfigLoader,
    launcher: Launcher,
    arguments: Sequence[str],
    refusals: Callable[..., Mapping[str, str]] = refusals,
) -> None:
    """Plan the grid, run what is missing, print the counts; exit 1 after a crash, 2 if the plan is wrong.

    Args:
        loader: of the configurations.
        launcher: carries the cells out.
        arguments: as :func:`initlab.sweep.argv.rewrite` leaves them.
        refusals: tells which cells would be refused, and why.
    """
    if not hasattr(launcher, "launch_cells"):
        sys.exit("hydra/sweeper=grid needs one of the project's launchers, such as hydra/launcher=basic")
    try:
        planned = plan(Composer(loader), arguments)
        options = planned.cells[0].config["sweep"]
        if planned.fallen:
            tell(outcome.fallen(planned.fallen))
        store = Store(planned.cells[0].config["paths"]["output_dir"])
        todo = select(planned, store, options)
        refused = refusals(todo, partial(launcher.verdicts, dry_run=options["dry_run"]))
        if options["dry_run"]:
            states = store.states(cell.run_id for cell in planned.cells) | dict.fromkeys(refused, "refused")
            tell("\n".join(outcome.cells(planned, states, refused)))
            return
        store.write_sweep(planned.name, manifest(planned, arguments))
        for cell in todo:
            if cell.run_id in refused:
                folder = store.folder(cell.run_id)
                record_lost(folder, cell.config, stamp(folder), refused[cell.run_id], "refused")
        todo = [cell for cell in todo if cell.run_id not in refused][: options["max_runs"]]
    except InitlabError as error:
        tell(f"error: {error}", style="bold red")
        sys.exit(2)
    counts: Counter[str] = Counter({"refused": len(refused)} if refused else {})
    with progress() as display:
        done = len(planned.cells) - len(todo)
        bar = display.add_task(planned.name, total=len(planned.cells), completed=done, note="")

        def report(result: RunResult | Held) -> None:
            counts["running elsewhere" if isinstance(result, Held) else result.status] += 1
            display.update(bar, advance=1, note=", ".join(f"{n} {s}" for s, n in counts.items()))

        memory = store.sweep_path(planned.name).with_name("population.json")
        interrupted = False
        try:
            cells = _packs([placed(planned, cell) for cell in todo], launcher, options["population"], memory)
            launcher.launch_cells(cells, report, bool(options["fail_fast"]))
        except KeyboardInterrupt:
            interrupted = True
        except InitlabError as error:
            tell(f"error: {error}", style="bold red")
            sys.exit(2)
    elsewhere = counts.pop("running elsewhere", 0)
    results = store.get(cell.run_id for cell in planned.cells)
    states = {c.run_id: results[c.run_id].status if c.run_id in results else MISSING for c in planned.cells}
    for line in outcome.counts(planned, states, counts, f"{store.output_dir}/runs"):
        tell(line)
    before = {cell.run_id for cell in planned.cells} - {cell.run_id for cell in todo}
    if other := sum(was_other_code(results[run_id].git) for run_id in before & results.keys()):
        tell(f"{other} results were there, by code with other uncommitted changes: sweep.retry=ok runs anew")
    if elsewhere:
        tell(f"{elsewhere} of them running elsewhere, and left to it")
    for line in outcome.failures(planned, results):
        tell(line)
    if interrupted:
        tell("interrupted: the same command goes on from here")
        sys.exit(130)
    if "crashed" in states.values():
        sys.exit(1)


def _packs(cells: list[Cell], launcher: Launcher, population: Any, memory: Path) -> list[Cell]:
    """Put together what ``sweep.population`` says; ``memory`` keeps what a trial has found.

    Raises:
        ConfigError: it says what cannot be.
    """
    if population is None:
        return cells
    if population != "auto":
        return packed(cells, population)
    places = launcher.places(cells)
    if places is None:
        raise ConfigError(
            "sweep.population=auto tries on this machine, and the runs go to others; give a number"
        )
    return packed_by_trial(cells, places, memory, tell)


def select(planned: Plan, store: Store, options: Mapping[str, Any]) -> list[Cell]:
    """Choose the cells to run: those without a result, and those whose status is to be retried.

    Raises:
        ConfigError: ``sweep.retry`` names a status that does not exist, or ``sweep.max_runs`` is negative.
    """
    retry = options["retry"]
    wrong = [status for status in retry if status not in RETRIABLE]
    if wrong:
        raise ConfigError(f"sweep.retry={wrong[0]}: can be {', '.join(RETRIABLE)}")
    if options["max_runs"] is not None and options["max_runs"] < 0:
        raise ConfigError(f"sweep.max_runs={options['max_runs']}: must not be negative")
    states = store.states([cell.run_id for cell in planned.cells])
    return [cell for cell in planned.cells if states[cell.run_id] in AGAIN | set(retry)]


def placed(planned: Plan, cell: Cell) -> Cell:
    """Return a cell whose configuration says where it stands, under keys that are not part of its run id."""
    place = {**cell.config["sweep"], "plan": planned.name, "scale": planned.scale, "cell": dict(cell.axes)}
    return replace(cell, config={**cell.config, "sweep": place})


def manifest(planned: Plan, arguments: Sequence[str]) -> dict[str, Any]:
    """Describe a sweep for the report: its cells, by run id, with the overrides that it varies."""
    kept = [argument for argument in arguments if not argument.startswith("paths.")]
    return {
        "schema_version": 1,
        "name": planned.name,
        "experiment": planned.experiment,
        "scale": planned.scale,
        # Where things lie on one machine is no part of what was run.
        "command": " ".join(["python train.py -m", *(quote(as_typed(a)) for a in kept)]),
        "fixed": list(planned.fixed),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "cells": [{"run_id": cell.run_id, "overrides": dict(cell.axes)} for cell in planned.cells],
    }
