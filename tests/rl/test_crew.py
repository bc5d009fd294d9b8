"""Workers learn what one process learns, count every frame, and are missed when they die."""

import os
import signal

import pytest
import torch

from initlab.results.identity import run_id
from initlab.results.metrics_csv import MetricsCsv
from initlab.task import run_task
from playing import PLAY, needs_rl

pytestmark = needs_rl


def never():
    return False


def parts(config):
    """A run's workers and what they share, as the task makes them."""
    from functools import partial

    from initlab.task.rl import prepared, rate_of
    from initlab.task.rl_source import rl_source

    _, shared, make = prepared(config, rl_source(config), torch.device("cpu"))
    return partial(make, 0), shared, rate_of(config)


def test_one_worker_is_the_synchronous_form_step_for_step(compose):
    from initlab.rl.crew import Alone, Workers

    config = compose(*PLAY, "clipping=norm", "schedule=cosine", "norm=weight")
    make, alone, rate = parts(config)
    crew = Alone(make, alone, rate)
    make, worked, rate = parts(config)
    workers = Workers(make, worked, rate, 1, 1)
    start = alone.weights.clone()
    try:
        for end in (40, 80, 120, 440, 800):  # the first few are one update each
            crew.epoch(end, never)
            workers.epoch(end, never)
            assert torch.equal(alone.weights, worked.weights), end
            assert alone.counts() == worked.counts()
            assert alone.counts()["frames"] == end
    finally:
        crew.close()
        workers.close()
    assert not torch.equal(alone.weights, start)


def test_two_workers_count_every_frame_and_episode(compose):
    from initlab.rl.crew import Workers

    make, shared, rate = parts(compose(*PLAY, "rl.num_envs=3", "rl.frames_per_epoch=3000"))
    workers = Workers(make, shared, rate, 2, 1)
    try:
        workers.epoch(3000, never)
        counts = shared.counts()
        assert counts["frames"] == 3000
        assert counts["updates"] == 200
        assert counts["length"] == 9 * counts["episodes"]  # of those that ended, all of 9 steps
        assert 3000 - 6 * 9 < counts["length"] <= 3000
    finally:
        workers.close()


def test_a_worker_that_dies_is_missed_and_the_others_stop(compose):
    from initlab.rl.crew import WorkerDied, Workers

    make, shared, rate = parts(compose(*PLAY))
    workers = Workers(make, shared, rate, 2, 1)
    try:
        workers.epoch(400, never)
        os.kill(workers.processes[1].pid, signal.SIGKILL)
        with pytest.raises(WorkerDied, match=r"^worker 1 ended with signal SIGKILL$"):
            workers.epoch(40_000_000, never)
        stopped = shared.counts()["frames"]
        assert 400 <= stopped < 40_000_000
    finally:
        workers.close()


def test_a_worker_that_raises_leaves_its_traceback(compose):
    from initlab.rl.crew import WorkerCrashed, Workers

    _, shared, rate = parts(compose(*PLAY))
    workers = Workers(broken, shared, rate, 1, 1)
    try:
        with pytest.raises(
            WorkerCrashed, match=r"^ZeroDivisionError: division by zero \(worker 0\)$"
        ) as told:
            workers.epoch(400, never)
        assert "in broken" in told.value.traceback
    finally:
        workers.close()


def broken(index):
    return 1 / index


@pytest.mark.parametrize("when", ["before the others", "after the whole epoch"])
def test_a_killed_worker_ends_the_run_as_killed_and_the_run_resumes(compose, tmp_path, monkeypatch, when):
    from initlab.rl.crew import WorkerDied, Workers

    config = compose(*PLAY, "rl.num_workers=2", "epochs=3")
    epoch = Workers.epoch

    def with_a_death(self, end, asked_to_stop):
        if end == 800 and when == "before the others":
            os.kill(self.processes[0].pid, signal.SIGKILL)
        epoch(self, end, asked_to_stop)
        if end == 800:
            raise WorkerDied("worker 0 ended with signal SIGKILL")

    with monkeypatch.context() as patched:
        patched.setattr(Workers, "epoch", with_a_death)
        result = run_task(config)
    assert (result.status, result.error) == ("killed", "worker 0 ended with signal SIGKILL")
    folder = tmp_path / "out" / "runs" / run_id(config)
    assert (folder / "checkpoints" / "last.ckpt").exists()
    result = run_task(config)
    assert result.status == "ok"
    assert result.metrics["frames"] == 1200
    rows = MetricsCsv(folder / "metrics.csv").rows()
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert [row["frames"] for row in rows] == [400, 800, 1200]


def test_a_run_whose_last_frames_were_done_before_a_worker_was_missed_has_finished(compose, monkeypatch):
    from initlab.rl.crew import WorkerDied, Workers

    epoch = Workers.epoch

    def with_a_death(self, end, asked_to_stop):
        epoch(self, end, asked_to_stop)
        if end == 800:
            raise WorkerDied("worker 0 ended with signal SIGKILL")

    monkeypatch.setattr(Workers, "epoch", with_a_death)
    result = run_task(compose(*PLAY, "rl.num_workers=2", "epochs=2"))
    assert (result.status, result.metrics["frames"]) == ("ok", 800)


def test_a_run_killed_after_its_last_epoch_ends_in_the_same_metrics(compose, tmp_path):
    config = compose(*PLAY, "epochs=2")
    whole = run_task(config)
    (tmp_path / "out" / "runs" / run_id(config) / "result.json").unlink()
    again = run_task(config)
    assert again.status == "ok"
    assert again.metrics == whole.metrics
    assert again.metrics["frames"] == 800


def test_no_checkpoint_is_without_the_rows_of_its_epochs(compose, tmp_path, monkeypatch):
    """A run killed at any moment goes on with a row for each epoch."""
    from initlab.rl.checkpoint import Checkpoint

    write, seen = Checkpoint.write, []

    def watched(self, state):
        rows = MetricsCsv(self.folder.parent / "metrics.csv").rows()
        seen.append([row["frames"] for row in rows])
        write(self, state)

    monkeypatch.setattr(Checkpoint, "write", watched)
    assert run_task(compose(*PLAY, "epochs=2")).status == "ok"
    assert seen == [[400], [400, 800]]
