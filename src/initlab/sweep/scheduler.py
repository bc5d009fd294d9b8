"""What SLURM says and does: the states of jobs in one query, their cancelling, the limits of an array."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping

from initlab.errors import ConfigError, InitlabError

# No job leaves these states any more; NODE_FAIL, PREEMPTED and REQUEUED it may leave, to run again.
FINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE"})
DOUBTFUL = frozenset({"NODE_FAIL", "PREEMPTED", "REQUEUED", "REVOKED", "GONE"})
GONE = "GONE"
MAX_ARRAY_SIZE = 1001  # SLURM's own default
_HELD = ("requeued held", "JobHoldMaxRequeue")
_IDS_AT_ONCE = 500
TOOLS = ("sbatch", "srun", "squeue", "scontrol", "scancel")


def check_installed() -> None:
    """See that jobs can be submitted from here.

    Raises:
        ConfigError: they cannot.
    """
    for tool in TOOLS:
        if shutil.which(tool) is None:
            raise ConfigError(
                f"hydra/launcher=slurm: there is no {tool} on this machine; submit from a login node, "
                "or take hydra/launcher=pool"
            )


def max_array_size() -> int:
    """Return how many jobs one array can have at most."""
    told = _ask("scontrol", "show", "config")
    match = re.search(r"^MaxArraySize\s*=\s*(\d+)", told.stdout, re.MULTILINE)
    return max(1, int(match[1])) if match else MAX_ARRAY_SIZE


class States:
    """The states of jobs: from accounting where it is kept, else from the queue."""

    def __init__(self) -> None:
        self._accounting = shutil.which("sacct") is not None

    def of(self, job_ids: Iterable[str]) -> dict[str, str] | None:
        """Return the state of each job, ``GONE`` where SLURM knows it no more; None while nothing answers.

        A job that SLURM holds back after it could not be started on a failed node is released.
        """
        wanted = list(job_ids)
        found: dict[str, str] = {}
        arrays = sorted({job_id.partition("_")[0] for job_id in wanted})
        for start in range(0, len(arrays), _IDS_AT_ONCE):
            some = ",".join(arrays[start : start + _IDS_AT_ONCE])
            if self._accounting:
                found.update(self._accounted(some))
            if any(found.get(job_id, GONE) in DOUBTFUL for job_id in wanted):
                queued = _queued(some)
                if queued is None and not found:
                    return None
                found.update(queued or {})
        return {job_id: found.get(job_id, GONE) for job_id in wanted}

    def _accounted(self, arrays: str) -> dict[str, str]:
        told = _ask(
            "sacct", "--noheader", "--parsable2", "--allocations", "--format=JobID,State", "-j", arrays
        )
        if told.returncode:
            self._accounting = "disabled" not in told.stderr
            return {}
        return _read(told.stdout)


def _queued(arrays: str) -> dict[str, str] | None:
    told = _ask("squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%r", "-j", arrays)
    if told.returncode:
        return {} if "Invalid job id" in told.stderr else None
    for line in told.stdout.splitlines():
        job_id, _, reason = line.split("|", 2)
        if any(held in reason for held in _HELD):
            _ask("scontrol", "release", job_id)
    return _read(told.stdout)


def _read(lines: str) -> dict[str, str]:
    states = {}
    for line in lines.splitlines():
        written, state, *_ = line.split("|")
        for job_id in expand_ids(written):
            states[job_id] = state.split()[0]  # "CANCELLED by 1000"
    return states


def expand_ids(written: str) -> list[str]:
    """Write the ids of pending array jobs one by one.

    >>> expand_ids("12_[0-2,7%4]")
    ['12_0', '12_1', '12_2', '12_7']
    """
    match = re.fullmatch(r"(\d+)_\[([\d,-]+)(%\d+)?\]", written)
    if match is None:
        return [written]
    ids = []
    for part in match[2].split(","):
        first, _, last = part.partition("-")
        ids += [f"{match[1]}_{number}" for number in range(int(first), int(last or first) + 1)]
    return ids


def cancel(job_ids: Iterable[str]) -> None:
    """Cancel jobs; those that have ended are left as they are.

    Raises:
        InitlabError: SLURM does not answer.
    """
    ids = list(job_ids)
    for start in range(0, len(ids), _IDS_AT_ONCE):
        told = _ask("scancel", *ids[start : start + _IDS_AT_ONCE])
        if told.returncode and "Invalid job id" not in told.stderr:
            raise InitlabError(f"scancel: {last_line(told.stderr)}")


def requeue(environment: Mapping[str, str]) -> bool:
    """Ask SLURM to run the job whose environment this is once more; return whether it agreed."""
    return _ask("scontrol", "requeue", job_id_of(environment)).returncode == 0


def job_id_of(environment: Mapping[str, str]) -> str:
    """Return the id of the job whose environment this is, as ``squeue`` writes it."""
    if "SLURM_ARRAY_JOB_ID" in environment:
        return f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
    return environment["SLURM_JOB_ID"]


def last_line(text: str) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it failed without a word"


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))
