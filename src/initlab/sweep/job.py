"""Inside a SLURM job: carry out its cells, each in a worker that can die without the others.

The job itself imports no torch. Asked to stop, by SLURM before the time is up or by a person, it lets the
run save itself; before the time is up it also asks to be run again, and goes on where the run stopped.
Several tasks carry each run out together: the first does what a job of one does, the others take part.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any

from initlab.errors import InitlabError
from initlab.results.environment import SUBMITTED_CODE
from initlab.results.lock import GRACE_S, Held
from initlab.results.record import RunResult
from initlab.sweep import scheduler
from initlab.sweep.cell import Cell
from initlab.sweep.group import attend
from initlab.sweep.lost import record_lost
from initlab.sweep.pack import led
from initlab.sweep.pool import Interrupted, PoolOptions, in_pool, stop_signals
from initlab.sweep.submission import Job, JobCell
from initlab.sweep.turns import Turns

HELD_S = 3 * GRACE_S  # after a node failed, its runs look alive for a while
POLL_S = 5.0


def run_job(file: str) -> None:
    """Carry out the cells of one job, as its file orders.

    Raises:
        SystemExit: with code 1 after a crash or a kill, so that SLURM's own state tells it too.
    """
    job = Job(scheduler.job_id_of(os.environ), Path(file))
    options = job.order["options"]
    _prepare_environment(options["resources"])
    os.environ[SUBMITTED_CODE] = job.code
    turns = _turns(job)
    with stop_signals() as heard:
        if turns is not None and int(os.environ["SLURM_PROCID"]):
            attend(turns, _place(os.environ), heard)
            return
        with turns.lead() if turns is not None else nullcontext():
            try:
                good = _carry_out(job)
            except Interrupted as stop:
                heard.append(stop.number)
                good = False
        if (
            signal.SIGUSR2 in heard
            and int(os.environ.get("SLURM_RESTART_COUNT", "0")) < options["max_requeues"]
        ):
            print(f"asked SLURM to run job {job.job_id} again", flush=True)
            if scheduler.requeue(os.environ):
                time.sleep(60)  # SLURM ends this process
    if not good:
        sys.exit(1)


def _turns(job: Job) -> Turns | None:
    """Return where the tasks of this job meet; None where it has one."""
    if int(os.environ.get("SLURM_NTASKS", "1")) == 1:
        return None
    turn_of_job = f"{job.job_id}-{os.environ.get('SLURM_RESTART_COUNT', '0')}"
    return Turns(job.file.parents[1] / "turns" / turn_of_job)


def _place(variables: Mapping[str, str]) -> dict[str, str]:
    """Say which rank a task has."""
    names = {"RANK": "SLURM_PROCID", "LOCAL_RANK": "SLURM_LOCALID", "NODE_RANK": "SLURM_NODEID"}
    return {name: variables[slurms] for name, slurms in names.items()}


def _prepare_environment(resources: Mapping[str, Any]) -> None:
    os.environ["INITLAB_JOB_ID"] = scheduler.job_id_of(os.environ)
    if not resources["gpus"]:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # those of the node are others'
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, str(resources["cpus"]))


def _carry_out(job: Job) -> bool:
    """Run the cells that have no result yet; return whether none crashed or was killed."""
    module, _, name = job.order["run"].partition(":")
    run = getattr(import_module(module), name)
    options = PoolOptions(num_workers=1)
    waiting, good = [cell for cell in job.cells if _is_open(cell)], True
    patience = time.monotonic() + HELD_S
    while waiting:
        outcomes: list[RunResult | Held] = []
        cells = [_pack(list(pack)) for _, pack in groupby(waiting, _together)]
        try:
            in_pool(run, cells, outcomes.append, job.order["fail_fast"], options)
        except InitlabError as error:  # this cell cannot be run; the others can
            cell = waiting[len(outcomes)]
            outcomes.append(record_lost(cell.folder, cell.config, cell.before, str(error), "crashed"))
        for outcome in outcomes:
            print(outcome if isinstance(outcome, Held) else f"{outcome.run_id} {outcome.status}", flush=True)
        good &= not any(isinstance(o, RunResult) and o.status in ("crashed", "killed") for o in outcomes)
        if job.order["fail_fast"] and not good:
            break
        held = [cell for cell, outcome in zip(waiting, outcomes, strict=False) if isinstance(outcome, Held)]
        unstarted = waiting[len(outcomes) :]
        if held and not unstarted:
            if time.monotonic() > patience:
                break
            time.sleep(POLL_S)
        waiting = [*unstarted, *(cell for cell in held if _is_open(cell))]
    return good


def _together(cell: JobCell) -> object:
    return cell.run_id if cell.pack is None else cell.pack


def _pack(cells: list[JobCell]) -> Cell:
    return led([Cell((), {}, cell.config, cell.run_id) for cell in cells])


def _is_open(cell: JobCell) -> bool:
    """Whether a cell has no result since it was submitted, or was killed, as by a requeue."""
    result = cell.new_result()
    return result is None or result.status == "killed"
