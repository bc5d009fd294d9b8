"""One run from its configuration to its ``result.json``, whatever happens on the way."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Literal

from initlab.errors import InitlabError, Refused
from initlab.results.environment import other_code, own_code, versions
from initlab.results.identity import run_id
from initlab.results.lock import Held, Lock
from initlab.results.record import RunResult, Status
from initlab.results.run_folder import RunFolder
from initlab.stopping import Stopped, listening
from initlab.sweep.group import RankCrashed, in_group
from initlab.sweep.ranks import Ranks


@dataclass
class Outcome:
    """What a task returns."""

    status: Literal["ok", "diverged", "crashed"] = "ok"
    metrics: dict[str, float | int | None] = field(default_factory=dict)
    device: str = "cpu"
    samples_per_s: float | None = None
    error: str | None = None
    traceback: str | None = None  # of a crash that left metrics behind, or of another process
    peak_memory_bytes: int | None = None  # of another process; else that of this one counts


def run_task(config: Mapping[str, Any], again: Collection[str] = ()) -> RunResult:
    """Carry out one run and record it under ``<output_dir>/runs/<run id>``.

    A network that its init refuses, a loss that is not finite and a crash are results with a status of
    their own; a crash leaves its traceback in ``error.txt``. A run whose result came meanwhile from
    elsewhere is not run again.

    Args:
        config: of the run.
        again: statuses of a result that is there to run again, beside those of ``sweep.retry``.

    Raises:
        Held: another process carries this run out; nothing is recorded.
        InitlabError: the configuration, the data or the output folder is at fault; nothing is recorded.
        KeyboardInterrupt: after the run was recorded as killed.
    """
    folder = RunFolder(config["paths"]["output_dir"], run_id(config))
    folder.create()
    with Lock(folder.path) as lock:
        new = not folder.config_path.exists()
        try:
            found = folder.finished({*config["sweep"]["retry"], *again})
            if found is None:
                folder.begin()
            return found or _carry_out(config, folder, lock)
        except Held:
            raise  # the folder is another's now
        except InitlabError:
            if new:
                folder.discard()
            raise


def _carry_out(config: Mapping[str, Any], folder: RunFolder, lock: Lock) -> RunResult:
    folder.write_config(config)
    own_code()  # before anything else is imported
    started, clock = datetime.now(UTC), time.perf_counter()
    interrupt: BaseException | None = None
    status: Status
    try:
        with listening():
            outcome = _outcome(config, folder)
        status = outcome.status
        if outcome.traceback is not None:
            folder.write_error(outcome.traceback)
    except (Refused, Stopped) as ended:
        outcome, status = Outcome(error=str(ended)), status_of(ended)
    except InitlabError:
        raise
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        status = status_of(error)
        if status == "killed":
            outcome, interrupt = Outcome(error="interrupted"), KeyboardInterrupt()
        else:
            folder.write_error(traceback.format_exc())
            outcome = Outcome(error=f"{type(error).__name__}: {error}".splitlines()[0])
    wall_s = time.perf_counter() - clock
    result = record(config, folder, lock, outcome, status, started, wall_s)
    if interrupt is not None:
        raise interrupt
    return result


def record(
    config: Mapping[str, Any],
    folder: RunFolder,
    lock: Lock,
    outcome: Outcome,
    status: Status,
    started: datetime,
    wall_s: float,
    population: int | None = None,
) -> RunResult:
    """Write the result of a run that has ended, and return it.

    Raises:
        Held: another process has taken the run over.
        OutputError: it could not be written.
    """
    result = RunResult(
        run_id=folder.run_id,
        status=status,
        config=dict(config),
        seed=config["seed"],
        metrics=outcome.metrics,
        versions=versions(),
        git=own_code(),
        device=outcome.device,
        wall_s=wall_s,
        samples_per_s=outcome.samples_per_s,
        peak_memory_bytes=outcome.peak_memory_bytes or _peak_memory(),
        error=outcome.error,
        started=started.isoformat(timespec="seconds"),
        other_code=other_code(own_code()),
        population=population,
    )
    lock.check()
    folder.write_result(result)
    return result


def status_of(error: BaseException) -> Status:
    """Return the status of a run that this exception ended."""
    if isinstance(error, Refused):
        return "refused"
    return "killed" if isinstance(error, Stopped) or _is_interrupt(error) else "crashed"


def _outcome(config: Mapping[str, Any], folder: RunFolder) -> Outcome:
    """Carry the task out, in this process or, where the run has several, in those of its group."""
    ranks = Ranks.of(config)
    if ranks.total == 1:
        outcome: Outcome = _task(config)(config, folder)
        return outcome
    try:
        outcome = in_group(f"{__name__}:as_rank", config, ranks)
    except RankCrashed as crash:
        return Outcome("crashed", error=str(crash), traceback=crash.tracebacks)
    return outcome


def as_rank(config: Mapping[str, Any]) -> Outcome:
    """Carry the task out in one of the processes of a run; they hold no lock and write no result."""
    outcome: Outcome = _task(config)(config, RunFolder(config["paths"]["output_dir"], run_id(config)))
    outcome.peak_memory_bytes = _peak_memory()
    return outcome


def _is_interrupt(error: BaseException) -> bool:
    """Whether this is Ctrl-C, which Lightning turns into an exit."""
    return isinstance(error, KeyboardInterrupt) or (
        isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt)
    )


def _task(config: Mapping[str, Any]) -> Any:
    module, _, name = config["task"]["_target_"].rpartition(".")
    return getattr(import_module(module), name)


def _peak_memory() -> int | None:
    """Return the most memory held so far: of the GPU where one is used, else of this process, in bytes."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return int(torch.cuda.max_memory_allocated())
    if os.name != "posix":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
