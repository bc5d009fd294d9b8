"""A sweep survives what happens to it: every cell has one result, and nothing finished is run again.

Slow are the whole programs whose fault a quicker test meets too (test_group, test_grid, or one below).
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from commands import FaultySweep, ended
from initlab.results.store import Store

pytestmark = pytest.mark.faults
CELLS = range(6)


def assert_all_ok_and_only_these_ran_again(sweep: FaultySweep, again: set[int], *arguments: str) -> None:
    """Run the same command once more and see that it completes the sweep with no needless start."""
    before = sweep.starts()
    code, output = sweep.run(*arguments)
    assert code == 0, output
    assert sweep.states() == dict.fromkeys(range(sweep.num_cells), "ok")
    assert sweep.starts() - before == Counter(again)


@pytest.mark.parametrize("warm", ["true", pytest.param("false", marks=pytest.mark.slow)])
def test_what_a_run_does_to_itself_leaves_the_others_alone(tmp_path: Path, warm: str) -> None:
    sweep = FaultySweep(tmp_path)
    faults = {1: "raise", 2: "kill", 3: "exit", 4: "leave"}
    code, output = sweep.run(f"hydra.launcher.warm={warm}", faults=faults)
    assert code == 1
    counts = [line.split() for line in output.splitlines() if line.startswith("  ")]
    assert counts[1:] == [["ok", "2", "2"], ["crashed", "2", "2"], ["killed", "2", "2"]]
    assert re.search(r"crashed  \w+  seed=1: ValueError: seed 1 is unlucky", output)
    assert sweep.states() == {0: "ok", 1: "crashed", 2: "killed", 3: "crashed", 4: "killed", 5: "ok"}
    assert sweep.starts() == Counter(CELLS)
    errors = {result.seed: result.error for result in Store(sweep.output_dir).results()}
    assert errors[1] == "ValueError: seed 1 is unlucky"
    assert errors[2] == "the worker process ended with signal SIGKILL"
    assert errors[3] == "SystemExit: 7"
    assert errors[4] == "the worker process ended with exit code 7"
    assert_all_ok_and_only_these_ran_again(sweep, {1, 2, 3, 4}, "sweep.retry=[crashed]")


def test_a_run_logs_into_its_own_folder(tmp_path: Path) -> None:
    sweep = FaultySweep(tmp_path, num_cells=3)
    sweep.run()
    logs = {r.seed: Store(sweep.output_dir).folder(r.run_id).path for r in Store(sweep.output_dir).results()}
    assert {seed: (path / "log.txt").read_text() for seed, path in logs.items()} == {
        seed: f"seed {seed} speaks\n" for seed in range(3)
    }


def test_a_worker_killed_from_outside_loses_its_run_alone(tmp_path: Path) -> None:
    sweep = FaultySweep(tmp_path)
    process = sweep.start(faults={0: "sleep"})
    sweep.wait_for(lambda: sweep.starts()[0] == 1 and len(sweep.states()) == 5, "the rest")
    os.kill(sweep.pid(0), signal.SIGKILL)
    code, _ = ended(process)
    assert code == 0
    assert Counter(sweep.states().values()) == {"ok": 5, "killed": 1}
    assert_all_ok_and_only_these_ran_again(sweep, {0})


def test_a_run_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    sweep = FaultySweep(tmp_path, num_cells=3)
    code, _ = sweep.run("hydra.launcher.timeout_min=0.1", faults={1: "sleep"})
    assert code == 0
    assert sweep.states() == {0: "ok", 1: "killed", 2: "ok"}
    (killed,) = [r for r in Store(sweep.output_dir).results() if r.status == "killed"]
    assert killed.error == "stopped after timeout_min=0.1"
    assert_all_ok_and_only_these_ran_again(sweep, {1})


@pytest.mark.parametrize("launcher", ["pool", "basic"])
def test_one_ctrl_c_stops_and_records_what_was_under_way(tmp_path: Path, launcher: str) -> None:
    sweep = FaultySweep(tmp_path, launcher=launcher)
    process = sweep.start(faults={0: "sleep"} if launcher == "basic" else {0: "sleep", 1: "sleep"})
    under_way = {0} if launcher == "basic" else {0, 1}
    sweep.wait_for(lambda: set(sweep.starts()) == under_way, "the first runs")
    os.kill(process.pid, signal.SIGINT)
    code, output = ended(process)
    assert code == 130, output
    assert "the same command goes on from here" in output
    assert sweep.states() == dict.fromkeys(under_way, "killed")
    assert_all_ok_and_only_these_ran_again(sweep, set(CELLS))


def test_a_second_ctrl_c_kills_runs_that_do_not_listen(tmp_path: Path) -> None:
    sweep = FaultySweep(tmp_path)
    process = sweep.start(faults={0: "deaf", 1: "deaf"})
    sweep.wait_for(lambda: set(sweep.starts()) == {0, 1}, "the first runs")
    workers = [sweep.pid(0), sweep.pid(1)]
    os.kill(process.pid, signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGINT)
    code, _ = ended(process)
    assert code == 130
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert sweep.states() == {0: "killed", 1: "killed"}
    assert_all_ok_and_only_these_ran_again(sweep, set(CELLS))


def test_a_launcher_killed_takes_its_runs_along_and_can_be_started_again(tmp_path: Path) -> None:
    sweep = FaultySweep(tmp_path)
    process = sweep.start(faults={2: "sleep", 3: "sleep"})
    sweep.wait_for(lambda: len(sweep.states()) == 2 and sweep.starts()[3] == 1, "two results and two runs")
    workers = [sweep.pid(2), sweep.pid(3)]
    os.kill(process.pid, signal.SIGKILL)
    ended(process)
    sweep.wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "the workers' end")
    assert_all_ok_and_only_these_ran_again(sweep, set(CELLS) - {0, 1})


def test_a_basic_launcher_killed_can_be_started_again(tmp_path: Path) -> None:
    sweep = FaultySweep(tmp_path, launcher="basic")
    code, _ = sweep.run(faults={2: "kill"})
    assert code == -signal.SIGKILL
    assert sweep.states() == {0: "ok", 1: "ok"}
    assert_all_ok_and_only_these_ran_again(sweep, set(CELLS) - {0, 1})


def test_one_sweep_started_twice_at_once_runs_every_cell_once(tmp_path: Path) -> None:
    sweep = FaultySweep(tmp_path, num_cells=12)
    faults = dict.fromkeys(range(12), "sleep0.2")
    ends = [ended(process) for process in [sweep.start(faults=faults), sweep.start(faults=faults)]]
    assert [code for code, _ in ends] == [0, 0]
    assert sweep.starts() == Counter(range(12))
    assert sweep.states() == dict.fromkeys(range(12), "ok")


def test_a_run_under_way_elsewhere_is_left_to_it_and_not_recorded(tmp_path: Path) -> None:
    sweep = FaultySweep(tmp_path, num_cells=2)
    first = sweep.start(faults={0: "sleep", 1: "sleep"})
    sweep.wait_for(lambda: set(sweep.starts()) == {0, 1}, "the runs")
    code, output = sweep.run()
    assert code == 0
    assert "2 of them running elsewhere" in output
    assert sweep.states() == {}
    os.kill(first.pid, signal.SIGINT)
    ended(first)
    assert sweep.starts() == Counter({0: 1, 1: 1})


@pytest.mark.parametrize("launcher", ["pool", "basic"])
def test_a_write_that_fails_ends_the_sweep_with_a_sentence_and_loses_nothing(
    tmp_path: Path, launcher: str
) -> None:
    sweep = FaultySweep(tmp_path, launcher=launcher)
    arguments = ["hydra.launcher.num_workers=1"] if launcher == "pool" else []
    code, output = sweep.run(*arguments, faults={3: "full"})
    assert code == 2
    assert "cannot write" in output
    assert "Traceback" not in output
    assert sweep.states() == {0: "ok", 1: "ok", 2: "ok"}
    assert_all_ok_and_only_these_ran_again(sweep, {3, 4, 5})


@pytest.mark.slow
def test_a_full_disk_ends_the_sweep_with_a_sentence_and_loses_nothing(tmp_path: Path) -> None:
    sweep = FaultySweep(tmp_path)
    sweep.output_dir.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(sweep.output_dir)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        code, output = sweep.run("hydra.launcher.num_workers=1")
        assert code == 0, output
        filler = sweep.output_dir / "filler"
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        sweep.num_cells = 8
        code, output = sweep.run("hydra.launcher.num_workers=1")
        assert code == 2
        assert "no space left on device" in output
        filler.unlink()
        assert_all_ok_and_only_these_ran_again(sweep, {6, 7})
    finally:
        subprocess.run(["umount", "-l", str(sweep.output_dir)], check=True)


@pytest.mark.slow
def test_a_truncated_result_is_made_again(tmp_path: Path) -> None:
    sweep = FaultySweep(tmp_path, num_cells=3)
    sweep.run()
    (damaged,) = [r for r in Store(sweep.output_dir).results() if r.seed == 1]
    path = Store(sweep.output_dir).folder(damaged.run_id).result_path
    path.write_text(path.read_text()[:100])
    assert_all_ok_and_only_these_ran_again(sweep, {1})


def test_gpus_are_shared_out_and_the_launchers_place_in_a_group_is_not_inherited(tmp_path: Path) -> None:
    sweep = FaultySweep(tmp_path, num_cells=4)
    code, _ = sweep.run(
        "hydra.launcher.num_workers=null",
        faults=dict.fromkeys(range(4), "sleep0.5"),
        environment={"CUDA_VISIBLE_DEVICES": "3,5", "SLURM_NTASKS": "2", "LOCAL_RANK": "1"},
    )
    assert code == 0
    used = [line.split()[1:] for line in sweep.log.read_text().splitlines()]
    assert Counter(gpu for _, gpu in used) == {"3": 2, "5": 2}
    assert len({tuple(pair) for pair in used}) == 2  # a worker keeps its GPU


TWO = ["trainer.devices=2", "trainer.accelerator=cpu", "hydra.launcher.num_workers=1"]


def test_runs_of_two_processes_leave_one_result_each(tmp_path: Path) -> None:
    sweep = FaultySweep(tmp_path, num_cells=3)
    code, output = sweep.run(*TWO)
    assert code == 0, output
    assert sweep.states() == dict.fromkeys(range(3), "ok")
    assert sweep.starts() == Counter(range(3))
    assert sweep.starts(rank=1) == Counter(range(3))
    assert len({sweep.pid(seed, rank) for seed in range(3) for rank in (0, 1)}) == 6


@pytest.mark.slow
def test_what_one_of_two_processes_does_to_itself_ends_its_run_alone(tmp_path: Path) -> None:
    sweep = FaultySweep(tmp_path, num_cells=4)
    faults = {0: "raise@1", 1: "kill@1", 2: "kill@0"}
    code, output = sweep.run(*TWO, faults=faults)
    assert code == 1, output
    assert sweep.states() == {0: "crashed", 1: "killed", 2: "killed", 3: "ok"}
    errors = {result.seed: result.error for result in Store(sweep.output_dir).results()}
    assert errors[0] == "ValueError: seed 0 is unlucky (rank 1)"
    assert errors[1] == "rank 1 ended with signal SIGKILL"
    assert errors[2] == "rank 0 ended with signal SIGKILL"
    assert not any(os.path.exists(f"/proc/{sweep.pid(seed, rank)}") for seed in range(4) for rank in (0, 1))
    assert_all_ok_and_only_these_ran_again(sweep, {0, 1, 2}, *TWO, "sweep.retry=[crashed]")


@pytest.mark.slow
def test_a_launcher_killed_takes_both_processes_of_a_run_with_it(tmp_path: Path) -> None:
    sweep = FaultySweep(tmp_path, num_cells=1)
    process = sweep.start(*TWO, faults={0: "sleep"})
    sweep.wait_for(lambda: all(sweep.starts(rank)[0] == 1 for rank in (0, 1)), "both")
    os.kill(process.pid, signal.SIGKILL)
    ended(process)
    pids = [sweep.pid(0, rank) for rank in (0, 1)]
    sweep.wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "their end")
    assert_all_ok_and_only_these_ran_again(sweep, {0}, *TWO)


def test_the_basic_launcher_refuses_runs_of_several_processes_in_a_sentence(tmp_path: Path) -> None:
    sweep = FaultySweep(tmp_path, launcher="basic")
    code, output = sweep.run("trainer.devices=2")
    assert code == 2
    assert "take hydra/launcher=pool or slurm" in output
    assert "Traceback" not in output
    assert sweep.starts() == Counter()
