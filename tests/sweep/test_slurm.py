"""Every cell of a job is reported once, whatever SLURM says of the job and whenever."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from initlab.errors import ConfigError
from initlab.results.lock import Held, Lock
from initlab.results.record import RunResult, Status
from initlab.results.run_folder import RunFolder
from initlab.sweep import scheduler, slurm
from initlab.sweep.cell import Cell
from initlab.sweep.lost import record_lost
from initlab.sweep.slurm import Resources, SlurmOptions, follow
from initlab.sweep.submission import Job, Submission, jobs_of

Follow = Callable[..., list[Any]]


def cell(folder: Path, number: int) -> Cell:
    config = {"seed": number, "paths": {"output_dir": str(folder)}, "sweep": {"retry": []}, "trainer": {}}
    return Cell((), {}, config, f"{number:012d}")


def record(folder: Path, number: int, status: Status) -> None:
    config = cell(folder, number).config
    record_lost(RunFolder(folder, f"{number:012d}"), config, None, "as the test says", status)


def submitted(folder: Path, num_cells: int = 2, cells_per_job: int = 1) -> list[Job]:
    cells = [cell(folder, number) for number in range(num_cells)]
    submission = Submission.write(folder, cells, cells_per_job, "module:function", False, {})
    submission.write_jobs([f"5_{number}" for number in range(len(submission.files()))], {})
    return jobs_of(folder, [c.run_id for c in cells])


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Follow:
    """Follow jobs of which SLURM says one thing after another; each may be a function that does something."""
    monkeypatch.setattr(slurm, "SETTLE_S", 0.0)
    clock = itertools.count()  # every look at the clock is a second later
    monkeypatch.setattr(slurm.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(slurm.time, "sleep", lambda seconds: None)

    def run(jobs: list[Job], words: Iterable[Any], grace_s: float = 3.0) -> list[Any]:
        said: Iterator[Any] = iter(words)

        class States:
            def of(self, job_ids: list[str]) -> Any:
                word = next(said)
                if callable(word):
                    word = word()
                return word if word is None else dict.fromkeys(job_ids, word)

        monkeypatch.setattr(scheduler, "States", States)
        outcomes: list[Any] = []
        follow(jobs, outcomes.append, fail_fast=False, grace_s=grace_s)
        return outcomes

    return run


def statuses(outcomes: list[Any]) -> dict[str, str]:
    assert len({outcome.run_id for outcome in outcomes}) == len(outcomes)
    return {outcome.run_id[-1]: outcome.status for outcome in outcomes}


def test_results_are_reported_once_as_they_come(told: Follow, tmp_path: Path) -> None:
    jobs = submitted(tmp_path, 3, cells_per_job=2)
    record(tmp_path, 0, "ok")

    def more() -> str:
        record(tmp_path, 1, "crashed")
        record(tmp_path, 2, "diverged")
        return "RUNNING"

    outcomes = told(jobs, ["PENDING", "RUNNING", more])
    assert statuses(outcomes) == {"0": "ok", "1": "crashed", "2": "diverged"}


@pytest.mark.parametrize("state", sorted(scheduler.FINAL))
def test_a_job_that_ended_without_results_leaves_killed_runs(
    told: Follow, tmp_path: Path, state: str
) -> None:
    jobs = submitted(tmp_path, 2, cells_per_job=2)
    record(tmp_path, 0, "ok")
    outcomes = told(jobs, ["RUNNING", state])
    assert statuses(outcomes) == {"0": "ok", "1": "killed"}
    result = RunFolder(tmp_path, "000000000001").read_result()
    assert result is not None
    assert result.error == f"job 5_0 ended as {state}"


@pytest.mark.parametrize("state", sorted(scheduler.DOUBTFUL))
def test_a_job_that_comes_back_within_the_grace_time_is_waited_for(
    told: Follow, tmp_path: Path, state: str
) -> None:
    jobs = submitted(tmp_path, 1)

    def finish() -> str:
        record(tmp_path, 0, "ok")
        return "RUNNING"

    assert statuses(told(jobs, [state, state, "PENDING", state, state, finish])) == {"0": "ok"}


def test_a_job_that_does_not_come_back_is_given_up_after_the_grace_time(told: Follow, tmp_path: Path) -> None:
    outcomes = told(submitted(tmp_path, 1), ["RUNNING", *["NODE_FAIL"] * 4])
    assert statuses(outcomes) == {"0": "killed"}


def test_silence_of_slurm_ends_nothing(told: Follow, tmp_path: Path) -> None:
    jobs = submitted(tmp_path, 1)

    def finish() -> None:
        record(tmp_path, 0, "ok")

    assert statuses(told(jobs, [None] * 50 + [finish])) == {"0": "ok"}


def test_a_run_that_was_saved_for_its_jobs_next_turn_is_not_over(told: Follow, tmp_path: Path) -> None:
    jobs = submitted(tmp_path, 1)

    def save() -> str:
        record(tmp_path, 0, "killed")
        return "RUNNING"

    def finish() -> str:
        RunFolder(tmp_path, "000000000000").result_path.unlink()
        record(tmp_path, 0, "ok")
        return "COMPLETED"

    assert statuses(told(jobs, [save, "PENDING", "RUNNING", finish])) == {"0": "ok"}


def test_a_result_from_before_the_submission_is_not_taken_for_the_new_one(
    told: Follow, tmp_path: Path
) -> None:
    record(tmp_path, 0, "crashed")
    jobs = submitted(tmp_path, 1)
    assert jobs[0].cells[0].new_result() is None
    assert statuses(told(jobs, ["RUNNING", "CANCELLED"])) == {"0": "killed"}


def test_a_run_that_a_live_process_writes_is_not_recorded_over(told: Follow, tmp_path: Path) -> None:
    jobs = submitted(tmp_path, 1)
    folder = RunFolder(tmp_path, "000000000000")
    folder.create()
    with Lock(folder.path):
        (outcome,) = told(jobs, ["COMPLETED"] * 500)
    assert isinstance(outcome, Held)
    assert folder.read_result() is None


def test_jobs_are_found_again_by_their_runs(tmp_path: Path) -> None:
    first = submitted(tmp_path, 3, cells_per_job=2)
    assert [[c.run_id[-1] for c in job.cells] for job in first] == [["0", "1"], ["2"]]
    assert [job.job_id for job in jobs_of(tmp_path, ["000000000002"])] == ["5_1"]
    assert jobs_of(tmp_path, ["none"]) == []
    assert first[0].order["run"] == "module:function"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"time_min": 0}, "resources.time_min=0: must be a whole number >= 1"),
        ({"gpus": -1}, "resources.gpus=-1: must be a whole number >= 0"),
        ({"cpus": 1.5}, "resources.cpus=1.5: must be a whole number >= 1"),
        ({"nodes": 0}, "resources.nodes=0: must be a whole number >= 1"),
        ({"tasks": 0}, "resources.tasks=0: must be a whole number >= 1"),
        ({"tasks": 2}, "resources.tasks=2 and gpus=1 disagree, each process has one GPU"),
    ],
)
def test_resources_that_make_no_sense_are_refused(content: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        SlurmOptions.of({"resources": content})


def test_what_is_not_asked_for_is_left_to_the_cluster() -> None:
    asked = Resources(gpus=0, cpus=2, time_min=5, mem_gb=1.5).for_submitit()
    assert asked == {"time": 5, "cpus_per_task": 2, "mem": "1536MB", "nodes": 1, "ntasks_per_node": 1}


@pytest.mark.parametrize(
    ("asked", "tasks", "nodes"),
    [
        (Resources(), 1, 1),
        (Resources(gpus=4, nodes=2), 4, 2),
        (Resources(gpus=0, tasks=2), 2, 1),
        (Resources(gpus=0), 1, 1),
    ],
)
def test_one_node_of_resources_drives_tasks_devices_and_nodes(
    asked: Resources, tasks: int, nodes: int
) -> None:
    given = asked.give({"task": {"name": "fit"}, "trainer": {"devices": 1, "num_nodes": 1, "precision": "x"}})
    assert given["trainer"] == {"devices": tasks, "num_nodes": nodes, "precision": "x"}
    told = asked.for_submitit()
    assert (told["ntasks_per_node"], told["nodes"], told.get("gpus_per_node", 0)) == (
        tasks,
        nodes,
        asked.gpus,
    )
    assert ("srun_args" in told) == (tasks * nodes > 1)
    assert asked.give(given) == given


@pytest.mark.parametrize(
    "config",
    [
        {"trainer": {"devices": 3}},
        {"trainer": {"devices": 2, "num_nodes": 2}},
        {"trainer": {"devices": 1}, "task": {"name": "probe"}},
    ],
)
def test_a_run_that_wants_other_devices_than_it_is_given_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"hydra.launcher.resources, which gives each run 2 on 1 nodes"):
        Resources(gpus=2).give(config)


def test_a_lost_run_that_left_a_result_keeps_it(tmp_path: Path) -> None:
    record(tmp_path, 0, "ok")
    folder = RunFolder(tmp_path, "000000000000")
    kept = record_lost(folder, cell(tmp_path, 0).config, None, "it is gone")
    assert isinstance(kept, RunResult)
    assert kept.status == "ok"
