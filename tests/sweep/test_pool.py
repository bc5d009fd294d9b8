"""Worker processes: every cell ends in exactly one result, whatever happens to a worker."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from initlab.errors import InitlabError
from initlab.results.lock import Held
from initlab.results.record import RunResult
from initlab.results.run_folder import RunFolder
from initlab.sweep.cell import Cell
from initlab.sweep.pack import led
from initlab.sweep.pool import PoolOptions, in_pool


def fake_run(config: Mapping[str, Any]) -> RunResult:
    """Do what the config says, without torch; runs in the workers."""
    match config["act"]:
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(7)
        case "mistake":
            raise InitlabError("the data are not there")
    time.sleep(0.01)
    status = "crashed" if config["act"] == "crash" else "ok"
    return RunResult(
        run_id=config["id"],
        status=status,  # type: ignore[arg-type]
        config=dict(config),
        seed=0,
        metrics={"pid": os.getpid(), "threads": int(os.environ["OMP_NUM_THREADS"])},
        versions={},
        git={},
        device="cpu",
        wall_s=0.0,
        samples_per_s=None,
        peak_memory_bytes=None,
        error=None,
        started="2026-01-01T00:00:00+00:00",
    )


Pool = Callable[..., list[RunResult]]


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    def run(acts: list[str], num_workers: int = 2, fail_fast: bool = False) -> list[RunResult]:
        cells = []
        for number, act in enumerate(acts):
            run_id = f"{number:012d}"
            config = {"act": act, "id": run_id, "seed": 0, "paths": {"output_dir": str(tmp_path)}}
            cells.append(Cell((), {}, config, run_id))
        results: list[RunResult] = []
        in_pool(fake_run, cells, results.append, fail_fast, PoolOptions(num_workers))
        return results

    return run


def test_every_cell_ends_in_one_result_and_workers_stay_warm(pool: Pool) -> None:
    results = pool(["ok"] * 8)
    assert sorted(result.run_id for result in results) == [f"{i:012d}" for i in range(8)]
    assert len({result.metrics["pid"] for result in results}) <= 2


@pytest.mark.faults
@pytest.mark.parametrize(("act", "told"), [("die", "signal SIGKILL"), ("exit", "exit code 7")])
def test_a_worker_that_dies_takes_its_own_run_down_and_no_other(
    pool: Pool, tmp_path: Path, act: str, told: str
) -> None:
    results = {result.run_id: result for result in pool(["ok", act, "ok", "ok", act, "ok"])}
    assert {run_id: result.status for run_id, result in results.items()} == {
        f"{i:012d}": "killed" if i in (1, 4) else "ok" for i in range(6)
    }
    dead = results["000000000001"]
    assert dead.error == f"the worker process ended with {told}"
    assert RunFolder(tmp_path, dead.run_id).read_result() == dead


def test_a_crash_is_a_result_and_fail_fast_starts_nothing_more(pool: Pool) -> None:
    assert len(pool(["crash"] + ["ok"] * 5, num_workers=1)) == 6
    assert len(pool(["crash"] + ["ok"] * 5, num_workers=1, fail_fast=True)) == 1


def test_a_mistake_of_the_person_ends_the_sweep_with_its_sentence(pool: Pool) -> None:
    with pytest.raises(InitlabError, match="the data are not there"):
        pool(["ok", "mistake", "ok"])


def test_cores_are_divided_among_the_workers(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = len(os.sched_getaffinity(0))
    for result in pool(["ok"] * 2, num_workers=2):
        assert result.metrics["threads"] == max(1, cores // 2)


def fake_pack(config: Mapping[str, Any] | list[Mapping[str, Any]]) -> Any:
    """Carry out one run, or a pack: results are recorded as they come, until one dies."""
    if not isinstance(config, list):
        return fake_run(config)
    outcomes: list[RunResult | Held] = []
    for one in config:
        if one["act"] == "held":
            outcomes.append(Held("elsewhere"))
            continue
        result = fake_run(one)
        RunFolder(one["paths"]["output_dir"], result.run_id).write_result(result)
        outcomes.append(result)
    return outcomes


def test_every_member_of_a_pack_ends_in_one_result(tmp_path: Path) -> None:
    acts = [["ok", "crash", "held"], ["ok"], ["ok", "die", "ok", "held"], ["ok", "ok"]]
    cells, number = [], 0
    for pack in acts:
        members = []
        for act in pack:
            run_id = f"{number:012d}"
            number += 1
            config = {"act": act, "id": run_id, "seed": 0, "paths": {"output_dir": str(tmp_path)}}
            members.append(Cell((), {}, config, run_id))
        cells.append(led(members))
    outcomes: list[RunResult | Held] = []
    in_pool(fake_pack, cells, outcomes.append, False, PoolOptions(2))
    results = {outcome.run_id: outcome for outcome in outcomes if isinstance(outcome, RunResult)}
    assert len(outcomes) == 10
    assert len(results) == 9
    told = ["ok", "crashed", None, "ok", "ok", "killed", "killed", "killed", "ok", "ok"]
    assert [results[f"{i:012d}"].status if status else None for i, status in enumerate(told)] == told
    assert RunFolder(tmp_path, f"{5:012d}").read_result() == results[f"{5:012d}"]
    log = (RunFolder(tmp_path, f"{1:012d}").path / "log.txt").read_text()
    assert log == f"trained together with run {0:012d}, whose folder has the log\n"
