"""Runs of several tasks on a real cluster: one result each, whatever happens to one of the tasks."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch

from commands import ended
from initlab.results.store import Store

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(400)]
MakeSweep = Callable[..., Any]
# The names of the nodes mean nothing to the network.
TWO_TASKS = [
    "hydra.launcher.resources.tasks=2",
    "hydra.launcher.resources.gpus=0",
    "hydra.launcher.setup=['export MASTER_ADDR=127.0.0.1']",
]
TRAINING = [
    "task._target_=ranks.run",
    "debug=smoke",
    "model=mlp",
    "model.depth=2",
    "model.width=16",
    "trainer.num_threads=1",
]


def test_what_one_of_two_tasks_does_to_itself_ends_its_run_alone(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(4)
    faults = {0: "raise@1", 1: "kill@1", 2: "kill@0"}
    code, output = sweep.run(*TWO_TASKS, "sweep.cells_per_job=4", faults=faults)
    assert code == 1, output
    assert sweep.states() == {0: "crashed", 1: "killed", 2: "killed", 3: "ok"}
    assert sweep.starts() == Counter(range(4))
    errors = {result.seed: result.error for result in Store(sweep.output_dir).results()}
    assert errors[0] == "ValueError: seed 0 is unlucky (rank 1)"
    assert errors[1] == "rank 1 ended with signal SIGKILL"
    assert errors[2] == "rank 0 ended with signal SIGKILL"
    assert not any(os.path.exists(f"/proc/{sweep.pid(seed, rank)}") for seed in range(3) for rank in (0, 1))


def test_a_task_killed_outright_ends_its_job_and_the_next_launch_runs_what_is_missing(
    make_sweep: MakeSweep,
) -> None:
    sweep = make_sweep(2)
    process = sweep.start(*TWO_TASKS, faults={0: "sleep"})
    sweep.wait_for(lambda: all(sweep.starts(rank)[0] for rank in (0, 1)) and 1 in sweep.states(), "both")
    rank = sweep.pid(0, rank=1)
    with open(f"/proc/{rank}/stat") as file:
        task = int(file.read().rpartition(")")[2].split()[1])  # the rank's parent
    os.kill(task, signal.SIGKILL)
    code, output = ended(process, deadline_s=200)
    assert code == 0, output
    assert sweep.states() == {0: "killed", 1: "ok"}
    assert not os.path.exists(f"/proc/{rank}")
    code, output = sweep.run(*TWO_TASKS)
    assert code == 0, output
    assert sweep.states() == {0: "ok", 1: "ok"}
    assert sweep.starts() == Counter({0: 2, 1: 1})


def test_two_tasks_train_one_network(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(1)
    code, output = ended(sweep.start(*TWO_TASKS, *TRAINING), deadline_s=300)
    assert code == 0, output
    (result,) = Store(sweep.output_dir).results()
    assert (result.status, result.device) == ("ok", "2 x cpu")
    folder = Store(sweep.output_dir).folder(result.run_id).path
    first, second = (torch.load(folder / f"weights.{rank}", weights_only=True) for rank in (0, 1))
    assert first
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert len((folder / "metrics.csv").read_text().splitlines()) == 2  # the head and one epoch


def test_devices_that_the_resources_do_not_give_are_refused_in_a_sentence(make_sweep: MakeSweep) -> None:
    sweep = make_sweep()
    code, output = sweep.run("trainer.devices=2")
    assert code == 2
    assert "hydra.launcher.resources, which gives each run 1 on 1 nodes, disagree" in output
    assert "Traceback" not in output
    assert sweep.starts() == Counter()
    assert not sweep.cluster.jobs("PENDING", "RUNNING")
