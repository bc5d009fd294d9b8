"""``python -m initlab sweep status|collect|cancel|retry``: a sweep whose jobs are on SLURM."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from initlab.cli.console import new_table, print_
from initlab.errors import InitlabError
from initlab.results.lock import Held
from initlab.results.record import STATUSES, RunResult
from initlab.results.store import MISSING, Store

app = typer.Typer(help="Follow, end and repeat a sweep whose jobs are on SLURM.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A sweep, as `list sweeps` names it.")]
OutputDir = Annotated[
    Path,
    typer.Option(
        "--output-dir", "-o", envvar="INITLAB_OUTPUT_DIR", help="Folder of the runs (paths.output_dir)."
    ),
]
OUTPUTS = Path("outputs")
AGAIN = (MISSING, "killed", "crashed")


@app.command()
def status(name: Name, output_dir: OutputDir = OUTPUTS) -> None:
    """Count the runs by what became of them, or of their jobs."""
    print_(_table(_states(output_dir, name)))


@app.command()
def collect(
    name: Name,
    output_dir: OutputDir = OUTPUTS,
    grace_s: Annotated[
        float, typer.Option(help="How long a job that a failed node stopped may take to come back.")
    ] = 120.0,
) -> None:
    """Wait until every run has a result; one whose job has ended without is recorded as killed."""
    from initlab.sweep.slurm import active, follow

    jobs = _jobs(output_dir, name)
    results = Store(output_dir).states(_run_ids(output_dir, name))
    going = {job.job_id for job in active(jobs)}
    # Of the jobs that had a run, the last speaks for it.
    last = {run_id: job for job in jobs for run_id in (cell.run_id for cell in job.cells)}
    chosen = {
        job.job_id: job
        for run_id, job in last.items()
        if results.get(run_id) == MISSING or job.job_id in going
    }

    def report(outcome: RunResult | Held) -> None:
        told = outcome if isinstance(outcome, Held) else f"{outcome.run_id} {outcome.status}"
        typer.echo(str(told))

    follow(list(chosen.values()), report, fail_fast=False, grace_s=grace_s)
    states = _states(output_dir, name)
    print_(_table(states))
    if "crashed" in states.values():
        raise typer.Exit(1)


@app.command()
def cancel(name: Name, output_dir: OutputDir = OUTPUTS) -> None:
    """Cancel the jobs that wait or run."""
    from initlab.sweep import scheduler
    from initlab.sweep.slurm import active

    jobs = active(_jobs(output_dir, name))
    scheduler.cancel([job.job_id for job in jobs])
    typer.echo(f"cancelled {len(jobs)} jobs of {name}")


@app.command()
def retry(
    name: Name,
    output_dir: OutputDir = OUTPUTS,
    statuses: Annotated[
        list[str] | None,
        typer.Option("--status", "-s", help="What to run again: missing, killed, crashed, ... Repeat."),
    ] = None,
) -> None:
    """Submit again, as they were, the runs that are missing, killed or crashed and have no job."""
    from initlab.sweep.cell import Cell
    from initlab.sweep.slurm import SlurmOptions, submit

    chosen = statuses or list(AGAIN)
    for wrong in set(chosen) - {MISSING, *STATUSES}:
        raise InitlabError(f"--status {wrong}: can be {', '.join((MISSING, *STATUSES))}")
    states = _states(output_dir, name)
    last = {cell.run_id: (job, cell) for job in _jobs(output_dir, name) for cell in job.cells}
    again = [last[run_id] for run_id, state in states.items() if state in chosen and run_id in last]
    if not again:
        typer.echo(f"no run of {name} is {' or '.join(chosen)}")
        return
    order = again[-1][0].order
    cells = [
        Cell((), {}, {**cell.config, "sweep": {**cell.config["sweep"], "retry": chosen}}, cell.run_id)
        for _, cell in again
    ]
    jobs = submit(order["run"], cells, order["fail_fast"], SlurmOptions.of(order["options"]))
    typer.echo(f"submitted {len(cells)} runs of {name} in {len(jobs)} jobs")


def _run_ids(output_dir: Path, name: str) -> list[str]:
    return [cell["run_id"] for cell in Store(output_dir).read_sweep(name)["cells"]]


def _jobs(output_dir: Path, name: str) -> list[Any]:
    """Return the jobs of a sweep, the oldest first.

    Raises:
        InitlabError: it has none.
    """
    from initlab.sweep.submission import jobs_of

    jobs = jobs_of(output_dir, _run_ids(output_dir, name))
    if not jobs:
        raise InitlabError(f"sweep {name} has no jobs on SLURM; `status {name}` counts its results")
    return jobs


def _states(output_dir: Path, name: str) -> dict[str, str]:
    """Return the state of each run: its job's while that is going, else the status of its result."""
    from initlab.sweep.scheduler import States
    from initlab.sweep.slurm import active

    run_ids = _run_ids(output_dir, name)
    states = Store(output_dir).states(run_ids)
    going = active(_jobs(output_dir, name))
    told = States().of([job.job_id for job in going]) or {}
    for job in going:
        for cell in job.cells:
            result = cell.new_result()
            if cell.run_id in states and (result is None or result.status == "killed"):
                states[cell.run_id] = told.get(job.job_id, "unknown").lower()
    return states


def _table(states: dict[str, str]) -> Table:
    counts = Counter(states.values())
    table = new_table("state", "runs", right=frozenset({"runs"}))
    for state, number in counts.most_common():
        table.add_row(state, str(number))
    table.add_row("all", str(counts.total()))
    return table
