"""``python -m initlab sweep ...``, with stand-ins for what SLURM says."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from initlab.cli.app import app
from initlab.results.run_folder import RunFolder
from initlab.results.store import Store
from initlab.sweep import scheduler, slurm
from initlab.sweep.cell import Cell
from initlab.sweep.lost import record_lost
from initlab.sweep.submission import Job, Submission

RUN_IDS = [f"{number:012d}" for number in range(3)]


def config(folder: Path, seed: int) -> dict[str, Any]:
    return {"seed": seed, "paths": {"output_dir": str(folder)}, "sweep": {"retry": []}, "trainer": {}}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A sweep of 3 runs in jobs 5_0 to 5_2: the first ok, the second crashed, the third without a result."""
    Store(tmp_path).write_sweep("grid", {"cells": [{"run_id": i, "overrides": {}} for i in RUN_IDS]})
    cells = [Cell((), {}, config(tmp_path, seed), run_id) for seed, run_id in enumerate(RUN_IDS)]
    options = {"resources": {"gpus": 0}}
    submission = Submission.write(tmp_path, cells, 1, "module:function", False, options)
    submission.write_jobs(["5_0", "5_1", "5_2"], options)
    for number, status in ((0, "ok"), (1, "crashed")):
        folder = RunFolder(tmp_path, RUN_IDS[number])
        record_lost(folder, config(tmp_path, number), None, "so", status)  # type: ignore[arg-type]
    return tmp_path


def says(monkeypatch: pytest.MonkeyPatch, *states: str) -> None:
    told = dict(zip(("5_0", "5_1", "5_2"), states, strict=True))

    class States:
        def of(self, job_ids: list[str]) -> dict[str, str]:
            return {job_id: told[job_id] for job_id in job_ids}

    monkeypatch.setattr(scheduler, "States", States)


def run(folder: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["sweep", *words, "-o", str(folder)])
    return result.exit_code, result.output


def counts(output: str) -> dict[str, int]:
    rows = [line.split() for line in output.splitlines() if len(line.split()) == 2]
    return {state: int(number) for state, number in rows if number.isdigit()}


def test_status_tells_a_job_that_is_going_from_a_run_that_has_ended(
    sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "COMPLETED", "FAILED", "PENDING")
    code, output = run(sweep, "status", "grid")
    assert code == 0
    assert counts(output) == {"ok": 1, "crashed": 1, "pending": 1, "all": 3}


def test_collect_records_what_its_job_left_behind(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, "COMPLETED", "FAILED", "CANCELLED")
    code, output = run(sweep, "collect", "grid", "--grace-s", "0")
    assert code == 1  # one crashed
    assert f"{RUN_IDS[2]} killed" in output
    assert counts(output) == {"ok": 1, "crashed": 1, "killed": 1, "all": 3}
    code, output = run(sweep, "collect", "grid", "--grace-s", "0")
    assert f"{RUN_IDS[2]} killed" not in output


def test_cancel_ends_the_jobs_that_are_going_and_no_other(
    sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, "COMPLETED", "RUNNING", "PENDING")
    cancelled: list[str] = []
    monkeypatch.setattr(scheduler, "cancel", cancelled.extend)
    assert run(sweep, "cancel", "grid") == (0, "cancelled 2 jobs of grid\n")
    assert cancelled == ["5_1", "5_2"]


def test_retry_submits_what_failed_as_it_was(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, "COMPLETED", "FAILED", "GONE")
    submitted: list[Any] = []

    def submit(function: str, cells: list[Cell], fail_fast: bool, options: Any) -> list[Job]:
        submitted.append((function, cells, options))
        return [Job("6", Path())]

    monkeypatch.setattr(slurm, "submit", submit)
    assert run(sweep, "retry", "grid") == (0, "submitted 2 runs of grid in 1 jobs\n")
    ((function, cells, options),) = submitted
    assert function == "module:function"
    assert [cell.run_id for cell in cells] == RUN_IDS[1:]
    assert all("crashed" in cell.config["sweep"]["retry"] for cell in cells)
    assert options.resources.gpus == 0
    assert run(sweep, "retry", "grid", "-s", "diverged") == (0, "no run of grid is diverged\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("status", "gird"), "there is no sweep 'gird' in"),
        (("retry", "grid", "-s", "lost"), "--status lost: can be missing, ok, diverged"),
        (("cancel", "local"), "sweep local has no jobs on SLURM"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(sweep: Path, words: tuple[str, ...], sentence: str) -> None:
    Store(sweep).write_sweep("local", {"cells": [{"run_id": "f" * 12, "overrides": {}}]})
    code, output = run(sweep, *words)
    assert code == 2
    assert sentence in output
    assert "Traceback" not in output
