"""``hydra/launcher=slurm`` on a real cluster: every cell has one result, whatever happens to its job."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from commands import ended
from initlab.results.store import Store

pytestmark = pytest.mark.slurm
MakeSweep = Callable[..., Any]


def intervals(sweep: Any) -> list[tuple[str, float, float]]:
    """Return for each run the node and GPU that it had, and when."""
    found = []
    for result in Store(sweep.output_dir).results():
        start = result.metrics["start"]
        found.append((result.device, start, start + result.metrics["seconds"]))
    return found


def test_an_array_of_8_uses_all_gpus_and_never_two_jobs_share_one(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(8)
    code, output = sweep.run(faults=dict.fromkeys(range(8), "sleep2"))
    assert code == 0, output
    assert sweep.states() == dict.fromkeys(range(8), "ok")
    assert sweep.starts() == Counter(range(8))
    runs = intervals(sweep)
    assert Counter(gpu for gpu, *_ in runs).keys() == {"n1:0", "n1:1", "n2:0", "n2:1"}
    for index, (gpu, start, end) in enumerate(runs):
        for other, other_start, other_end in runs[index + 1 :]:
            assert gpu != other or end <= other_start or other_end <= start
    code, output = sweep.run()
    assert "0 of them now" in output
    assert sweep.starts() == Counter(range(8))


def test_what_a_run_does_to_itself_leaves_the_others_of_its_job_alone(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(6)
    faults = {1: "raise", 2: "kill", 3: "exit", 4: "leave"}
    code, output = sweep.run("sweep.cells_per_job=3", faults=faults)
    assert code == 1, output
    assert sweep.states() == {0: "ok", 1: "crashed", 2: "killed", 3: "crashed", 4: "killed", 5: "ok"}
    assert sweep.starts() == Counter(range(6))
    assert sorted(sweep.cluster.jobs("FAILED"))[-2:] == sorted(sweep.cluster.queue())[-2:]  # SLURM knows too
    code, output = sweep.command("retry", sweep.name())
    assert "submitted 4 runs" in output
    code, output = sweep.command("collect", sweep.name())
    assert code == 0, output
    assert sweep.states() == dict.fromkeys(range(6), "ok")


def test_a_killed_job_is_recorded_and_the_rest_goes_on(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    process = sweep.start(faults={1: "sleep"})
    sweep.wait_for(lambda: len(sweep.states()) == 3 and sweep.starts()[1] == 1, "the rest")
    worker = sweep.pid(1)
    with open(f"/proc/{worker}/stat") as file:
        job = int(file.read().rpartition(")")[2].split()[1])  # the worker's parent
    os.kill(job, signal.SIGKILL)
    code, output = ended(process)
    assert code == 0, output
    assert sweep.states() == {0: "ok", 1: "killed", 2: "ok", 3: "ok"}
    (killed,) = [result for result in Store(sweep.output_dir).results() if result.status == "killed"]
    assert killed.error is not None
    assert killed.error.endswith("ended as FAILED")
    assert not os.path.exists(f"/proc/{worker}")
    code, output = sweep.run()
    assert sweep.states() == dict.fromkeys(range(4), "ok")
    assert sweep.starts() == Counter({0: 1, 1: 2, 2: 1, 3: 1})


def test_scancel_of_a_job_stops_its_run_alone(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    process = sweep.start(faults={0: "sleep"})
    sweep.wait_for(lambda: len(sweep.states()) == 3 and sweep.starts()[0] == 1, "the rest")
    sweep.wait_for(lambda: len(sweep.cluster.jobs("RUNNING")) == 1, "the end of the other jobs")
    (job,) = sweep.cluster.jobs("RUNNING")
    sweep.cluster.do("scancel", job)
    code, output = ended(process)
    assert code == 0, output
    assert sweep.states() == {0: "killed", 1: "ok", 2: "ok", 3: "ok"}


def test_sweep_cancel_ends_all_jobs_and_each_run_is_accounted_for(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(6)
    process = sweep.start(faults=dict.fromkeys(range(6), "sleep"))
    sweep.wait_for(lambda: len(sweep.starts()) == 4, "as many runs as GPUs")
    code, output = sweep.command("status", sweep.name())
    assert "running" in output
    assert "pending" in output
    _, output = sweep.command("cancel", sweep.name())
    assert "cancelled 6 jobs" in output
    code, output = ended(process)
    assert code == 0, output
    assert sweep.states() == dict.fromkeys(range(6), "killed")


def test_a_requeued_job_runs_again(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(2)
    process = sweep.start(faults={0: "sleep20"})
    sweep.wait_for(lambda: len(sweep.states()) == 1 and sweep.starts()[0] == 1, "the other")
    sweep.wait_for(lambda: len(sweep.cluster.jobs("RUNNING")) == 1, "the end of the other jobs")
    (job,) = sweep.cluster.jobs("RUNNING")
    sweep.cluster.do("scontrol", "requeue", job)
    code, output = ended(process)
    assert code == 0, output
    assert sweep.states() == {0: "ok", 1: "ok"}
    assert sweep.starts() == Counter({0: 2, 1: 1})


@pytest.mark.timeout(400)
def test_a_job_that_runs_out_of_time_is_requeued_and_goes_on_where_it_stopped(
    make_sweep: MakeSweep,
) -> None:
    sweep = make_sweep(1)
    process = sweep.start("hydra.launcher.resources.time_min=1", faults={0: "count50"})
    code, output = ended(process, deadline_s=350)
    assert code == 0, output
    assert sweep.states() == {0: "ok"}
    assert sweep.starts()[0] >= 2
    (result,) = Store(sweep.output_dir).results()
    counted = (Store(sweep.output_dir).folder(result.run_id).path / "counted").read_text().split()
    assert [int(number) for number in counted] == list(range(50))


@pytest.mark.timeout(400)
def test_a_node_set_down_and_resumed_loses_no_run(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    process = sweep.start("hydra.launcher.grace_s=90", faults=dict.fromkeys(range(4), "sleep15"))
    sweep.wait_for(lambda: len(sweep.starts()) == 4, "four runs")
    sweep.cluster.do("scontrol", "update", "nodename=n1", "state=down", "reason=test")
    sweep.wait_for(lambda: len(sweep.cluster.jobs("PENDING")) > 0, "the jobs' return to the queue")
    time.sleep(5)
    sweep.cluster.resume("n1")
    code, output = ended(process, deadline_s=350)
    assert code == 0, output
    assert sweep.states() == dict.fromkeys(range(4), "ok")


def test_the_controller_restarted_in_mid_sweep_is_waited_for(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(6)
    process = sweep.start(faults=dict.fromkeys(range(6), "sleep8"))
    sweep.wait_for(lambda: len(sweep.starts()) == 4, "four runs")
    pid = int((sweep.cluster.folder / "run" / "slurmctld.pid").read_text())
    os.kill(pid, signal.SIGTERM)  # killed outright it forgets the jobs of its last seconds
    sweep.wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "its end")
    time.sleep(5)
    with open(sweep.folder / "restart.log", "w") as log:
        subprocess.run(
            ["slurmctld", "-f", sweep.cluster.environment["SLURM_CONF"]],
            env=sweep.cluster.environment,
            stdout=log,
            stderr=log,
            check=True,
        )
    code, output = ended(process)
    assert code == 0, output
    assert sweep.states() == dict.fromkeys(range(6), "ok")
    assert sweep.starts() == Counter(range(6))


def test_more_jobs_than_an_array_may_have_are_submitted_as_several(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(13)
    code, output = sweep.run("hydra.launcher.resources.gpus=0")
    assert code == 0, output
    assert sweep.states() == dict.fromkeys(range(13), "ok")
    assert sweep.starts() == Counter(range(13))


def test_a_launcher_killed_is_started_again_and_takes_its_jobs_up(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(6)
    process = sweep.start(faults=dict.fromkeys(range(6), "sleep4"))
    sweep.wait_for(lambda: len(sweep.starts()) == 4, "four runs")
    os.kill(process.pid, signal.SIGKILL)
    ended(process)
    code, output = sweep.run()
    assert code == 0, output
    assert sweep.states() == dict.fromkeys(range(6), "ok")
    assert sweep.starts() == Counter(range(6))


def test_without_waiting_the_launcher_returns_and_collect_gathers(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    code, output = sweep.run("hydra.launcher.wait=false", faults=dict.fromkeys(range(4), "sleep2"))
    assert code == 0, output
    assert "4 jobs submitted" in output
    assert sweep.states() == {}
    code, output = sweep.command("collect", sweep.name())
    assert code == 0, output
    assert sweep.states() == dict.fromkeys(range(4), "ok")
    assert sweep.starts() == Counter(range(4))


def test_what_the_cluster_cannot_give_is_refused_in_a_sentence(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    for argument, told in (
        ("hydra.launcher.resources.partition=nowhere", "invalid partition"),
        ("hydra.launcher.resources.gpus=5", "Requested node configuration is not available"),
        ("hydra.launcher.resources.cpus=0", "must be a whole number >= 1"),
    ):
        code, output = sweep.run(argument)
        assert code == 2
        assert told in output
        assert "Traceback" not in output
    assert sweep.starts() == Counter()
