"""``hydra/launcher=slurm``: the cells of a sweep as SLURM job arrays, followed until each has a result.

submitit writes the batch scripts and submits them. What the jobs do and what became of them is ours
(:mod:`initlab.sweep.job`): results are read from the run folders, and a job's state only decides when there
is no use in waiting for one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from math import inf
from typing import Any

from initlab.errors import ConfigError
from initlab.progress import tell
from initlab.results.lock import GRACE_S, Held
from initlab.results.record import RunResult
from initlab.sweep import scheduler
from initlab.sweep.cell import Cell
from initlab.sweep.job import run_job
from initlab.sweep.launch import Report, Run
from initlab.sweep.lost import record_lost
from initlab.sweep.pack import led
from initlab.sweep.pool import name_of
from initlab.sweep.ranks import Ranks
from initlab.sweep.submission import Job, JobCell, Submission, jobs_of

FIRST_POLL_S, SLOWEST_POLL_S, BACKOFF = 0.5, 30.0, 1.5
SETTLE_S = 10.0  # a shared file system may show a result later than SLURM the job's end


@dataclass(frozen=True)
class Resources:
    """What each job asks for, and its runs get.

    Args:
        partition: None for the cluster's default.
        time_min: minutes of a job; a run that needs more is saved, and goes on in the job's next turn.
        nodes: of a job.
        tasks: processes of a run on each node; None for one per GPU, or for one.
        gpus: of each node, one for each process of a run; 0 for runs on the CPU.
        cpus: of each process, and its threads.
        mem_gb: None for the cluster's default.
        account: to charge.
        qos: quality of service.
        constraint: features that the node must have.
        extra: other options of ``sbatch``, as ``{"nodelist": "n2"}``.
    """

    partition: str | None = None
    time_min: int = 240
    nodes: int = 1
    tasks: int | None = None
    gpus: int = 1
    cpus: int = 4
    mem_gb: float | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, least in (("time_min", 1), ("nodes", 1), ("tasks", 1), ("gpus", 0), ("cpus", 1)):
            value = getattr(self, key)
            if (value is not None or key != "tasks") and (not isinstance(value, int) or value < least):
                raise ConfigError(
                    f"hydra.launcher.resources.{key}={value}: must be a whole number >= {least}"
                )
        if self.gpus and self.tasks not in (None, self.gpus):
            raise ConfigError(
                f"hydra.launcher.resources.tasks={self.tasks} and gpus={self.gpus} disagree, each process "
                "has one GPU: leave tasks away, or set gpus=0 for runs on the CPU"
            )

    @property
    def ranks(self) -> Ranks:
        """The processes of each run."""
        return Ranks(self.tasks or max(1, self.gpus), self.nodes)

    def give(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a run's configuration with the devices and nodes that it gets.

        Raises:
            ConfigError: it asks for others.
        """
        asked = Ranks.of(config)
        trainer = {"devices": self.ranks.per_node, "num_nodes": self.ranks.nodes}
        given = {**config, "trainer": {**config.get("trainer", {}), **trainer}}
        if asked not in (Ranks(), self.ranks) or Ranks.of(given) != self.ranks:
            got = f"{self.ranks.per_node} on {self.ranks.nodes} nodes"
            raise ConfigError(
                f"trainer.devices={asked.per_node} on {asked.nodes} nodes and hydra.launcher.resources, "
                f"which gives each run {got}, disagree: set the resources alone"
            )
        return given

    def for_submitit(self) -> dict[str, Any]:
        """Return them under the names of submitit's SlurmExecutor."""
        named = {
            "partition": self.partition,
            "time": self.time_min,
            "gpus_per_node": self.gpus or None,
            "cpus_per_task": self.cpus,
            "mem": None if self.mem_gb is None else f"{round(1024 * self.mem_gb)}MB",
            "account": self.account,
            "qos": self.qos,
            "constraint": self.constraint,
        }
        return {
            **{key: value for key, value in named.items() if value is not None},
            "nodes": self.nodes,
            "ntasks_per_node": self.ranks.per_node,
            # The end of one task by force is that of all: else the others would wait for it.
            **({"srun_args": ["--kill-on-bad-exit=1"]} if self.ranks.total > 1 else {}),
        }


@dataclass(frozen=True)
class SlurmOptions:
    """How a sweep is submitted.

    Args:
        resources: of each job.
        wait: follow the jobs to their end; False returns when they are submitted.
        max_running: jobs of an array that run at a time.
        max_requeues: how often a job that ran out of time, or was preempted, asks to be run again.
        signal_s: seconds before its end that a job is told, for saving its run.
        grace_s: how long a job that a failed node or a preemption stopped may take to come back.
        setup: lines of shell before each job, as ``module load cuda``.
    """

    resources: Resources = field(default_factory=Resources)
    wait: bool = True
    max_running: int = 256
    max_requeues: int = 20
    signal_s: int = 120
    grace_s: float = 120.0
    setup: Sequence[str] = ()

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> SlurmOptions:
        """Make them from plain containers."""
        return cls(**{**content, "resources": Resources(**content["resources"])})


def on_slurm(run: Run, cells: Sequence[Cell], report: Report, fail_fast: bool, options: SlurmOptions) -> None:
    """Submit the cells, but for those that wait or run in jobs of an earlier submission, and follow all.

    Args:
        run: carries out one configuration; must be importable by name on the nodes.
        cells: what to run.
        report: called in this process with every result.
        fail_fast: cancel what is left after a crash.
        options: how to submit.

    Raises:
        ConfigError: jobs cannot be submitted from here, or SLURM refuses what is asked for.
        KeyboardInterrupt: Ctrl-C; the jobs run on.
    """
    scheduler.check_installed()
    if not cells:
        return
    if options.resources.ranks.total > 1 and any(cell.others for cell in cells):
        raise ConfigError(
            "sweep.population trains several runs in one process, and hydra.launcher.resources gives each "
            f"{options.resources.ranks.total}: take sweep.population=null, or one GPU for a job"
        )
    cells = [replace(cell, config=options.resources.give(cell.config)) for cell in cells]
    output_dir = cells[0].config["paths"]["output_dir"]
    wanted = {member.run_id for cell in cells for member in cell.members}
    jobs = active(jobs_of(output_dir, wanted))
    taken = {cell.run_id for job in jobs for cell in job.cells}
    left = [[member for member in cell.members if member.run_id not in taken] for cell in cells]
    new = [led(members) for members in left if members]
    if new:
        jobs += submit(name_of(run), new, fail_fast, options)
    if not options.wait:
        tell(f"{len(jobs)} jobs submitted; `python -m initlab sweep collect` waits for their results")
        return
    try:
        follow(jobs, report, fail_fast, options.grace_s, wanted)
    except KeyboardInterrupt:
        tell("the jobs run on; `python -m initlab sweep cancel` ends them")
        raise


def submit(run: str, cells: Sequence[Cell], fail_fast: bool, options: SlurmOptions) -> list[Job]:
    """Write the cells to files and submit a job for each file, in as few arrays as SLURM allows.

    Raises:
        ConfigError: SLURM refuses.
    """
    import submitit  # 0.2 s that no other launcher pays

    config = cells[0].config
    plain = asdict(options)
    submission = Submission.write(
        config["paths"]["output_dir"], cells, config["sweep"].get("cells_per_job", 1), run, fail_fast, plain
    )
    executor = submitit.SlurmExecutor(folder=submission.folder / "log")
    executor.update_parameters(
        **options.resources.for_submitit(),
        job_name="initlab",
        array_parallelism=options.max_running,
        signal_delay_s=options.signal_s,
        setup=list(options.setup) or None,
        additional_parameters={"requeue": True, **options.resources.extra},
    )
    files = submission.files()
    size = scheduler.max_array_size()
    job_ids: list[str] = []
    bounds = [*range(0, len(files), size), len(files)]
    for first, end in pairwise(bounds):
        try:
            with executor.batch():
                array = [executor.submit(run_job, str(file)) for file in files[first:end]]
        except submitit.core.utils.FailedJobError as error:
            told = scheduler.last_line(str(error.__cause__ or error))
            done = f", after {len(job_ids)} of {len(files)} jobs" if job_ids else ""
            raise ConfigError(f"SLURM refuses the jobs{done}: {told}") from error
        job_ids += [job.job_id for job in array]
        submission.write_jobs(job_ids, plain)
    return [Job(job_id, file) for job_id, file in zip(job_ids, files, strict=True)]


def active(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs that wait, run, or may come back."""
    states = scheduler.States().of([job.job_id for job in jobs])
    ended = scheduler.FINAL | {scheduler.GONE}
    return [job for job in jobs if states is not None and states[job.job_id] not in ended]


def follow(
    jobs: Sequence[Job], report: Report, fail_fast: bool, grace_s: float, wanted: set[str] | None = None
) -> None:
    """Report what became of every cell of the jobs, once each.

    A cell whose job has ended and left no result is recorded as killed.

    Args:
        jobs: to wait for.
        report: called with every result.
        fail_fast: cancel what is left after a crash.
        grace_s: how long a job may be away and come back.
        wanted: run ids to report; None for all.

    Raises:
        InitlabError: a result could not be recorded.
    """
    followed = [_Followed(job, wanted) for job in jobs]
    states = scheduler.States()
    delay = FIRST_POLL_S
    while followed := [job for job in followed if job.open]:
        # Results are looked for after the states are known: what ended before left its result before.
        found = states.of([job.job.job_id for job in followed]) or {}
        outcomes = [outcome for job in followed for outcome in job.look(found.get(job.job.job_id), grace_s)]
        for outcome in outcomes:
            report(outcome)
            if fail_fast and isinstance(outcome, RunResult) and outcome.status == "crashed":
                scheduler.cancel([job.job.job_id for job in followed])
        if any(job.open for job in followed):
            delay = FIRST_POLL_S if outcomes else min(delay * BACKOFF, SLOWEST_POLL_S)
            time.sleep(delay)


class _Followed:
    """A job and its cells whose end is not known yet."""

    def __init__(self, job: Job, wanted: set[str] | None) -> None:
        self.job = job
        self.open = [cell for cell in job.cells if wanted is None or cell.run_id in wanted]
        self.away_since = inf

    def look(self, state: str | None, grace_s: float) -> list[RunResult | Held]:
        """Return what became of cells since the last look, given the job's state, None if unknown."""
        now = time.monotonic()
        away = state in scheduler.FINAL or state in scheduler.DOUBTFUL
        self.away_since = min(self.away_since, now) if away else inf
        for_s = now - self.away_since
        over = for_s >= (min(SETTLE_S, grace_s) if state in scheduler.FINAL else grace_s)
        outcomes: list[RunResult | Held] = []
        still_open = []
        for cell in self.open:
            outcome: RunResult | Held | None = cell.new_result()
            if isinstance(outcome, RunResult) and outcome.status == "killed" and not over:
                outcome = None  # it was saved, and goes on when its job does
            elif outcome is None and over:
                outcome = self._lost(cell, str(state), for_s)
            if outcome is None:
                still_open.append(cell)
            else:
                outcomes.append(outcome)
        self.open = still_open
        return outcomes

    def _lost(self, cell: JobCell, state: str, for_s: float) -> RunResult | Held | None:
        ended = "is not known to SLURM any more" if state == scheduler.GONE else f"ended as {state}"
        outcome = record_lost(cell.folder, cell.config, cell.before, f"job {self.job.job_id} {ended}")
        # A dead writer of another host looks alive for a while.
        return None if isinstance(outcome, Held) and for_s < 3 * GRACE_S else outcome
