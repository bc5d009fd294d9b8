"""A run in two processes is the run in one: the same steps, weights and rows, up to rounding."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from initlab.results.identity import run_id
from initlab.results.metrics_csv import MetricsCsv
from initlab.results.record import RunResult
from initlab.results.store import Store
from initlab.task import run_task
from tiny_run import TINY, Compose

# 1293 training inputs: the last batch of an epoch has 1, so one of two processes gets none of it.
ARGUMENTS = [
    *TINY,
    "task._target_=ranks.run",
    "data=digits",
    "batch_size=323",
    "trainer.limit_train_batches=9",
    "trainer.precision=64-true",
    "trainer.accelerator=cpu",
    "epochs=3",
    "lr=0.05",
]
TWO = ["trainer.devices=2", "trainer.strategy=ddp"]
CONVOLUTIONAL = ["model=cnn", "norm=batch", "init=orthogonal"]


class Run:
    def __init__(self, compose: Compose, folder: Path, *arguments: str) -> None:
        self.config = compose(*ARGUMENTS, *arguments, f"paths.output_dir={folder}")
        self.folder = folder / "runs" / run_id(self.config)

    def __call__(self) -> RunResult:
        return run_task(self.config)

    def steps(self, rank: int = 0) -> list[tuple[int, ...]]:
        lines = (self.folder / f"steps.{rank}").read_text().splitlines()
        return [tuple(map(int, line.split())) for line in lines]

    def weights(self, rank: int = 0) -> dict[str, torch.Tensor]:
        return torch.load(self.folder / f"weights.{rank}", weights_only=True)

    def rows(self) -> list[dict[str, Any]]:
        rows = MetricsCsv(self.folder / "metrics.csv").rows()
        return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def assert_same_run(lone: Run, both: Run) -> None:
    first, second = both.weights(0), both.weights(1)
    for key, alone in lone.weights().items():
        assert torch.equal(first[key], second[key]), key
        torch.testing.assert_close(first[key], alone, rtol=1e-10, atol=1e-10)
    assert len(lone.rows()) == len(both.rows()) == 3
    for row, other in zip(lone.rows(), both.rows(), strict=True):
        assert row == pytest.approx(other, rel=1e-10)


@pytest.mark.parametrize(
    "network",
    [
        ["init=data_dependent"],
        pytest.param([*CONVOLUTIONAL, "clipping=norm"], marks=pytest.mark.slow),
    ],
    ids=["mlp", "batch-norm"],
)
def test_two_processes_train_the_network_that_one_trains(
    compose: Compose, tmp_path: Path, network: list[str]
) -> None:
    lone = Run(compose, tmp_path / "lone", *network)
    both = Run(compose, tmp_path / "both", *network, *TWO)
    alone, together = lone(), both()
    assert (alone.status, together.status) == ("ok", "ok"), together.error
    assert alone.run_id == together.run_id
    assert_same_run(lone, both)
    assert together.metrics == pytest.approx(alone.metrics, rel=1e-10)
    sizes = [[size for *_, size in steps] for steps in (lone.steps(), both.steps(0), both.steps(1))]
    assert sizes[0][:5] == [323, 323, 323, 323, 1]
    assert [a + b for a, b in zip(*sizes[1:], strict=True)] == sizes[0]
    assert sizes[2][4] == 0
    written = {path.name for path in both.folder.iterdir()} - {path.name for path in lone.folder.iterdir()}
    assert written == {"steps.1", "weights.1"}  # the test's own
    assert [result.device for result in Store(tmp_path / "both").results()] == ["2 x cpu"]


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(600)  # seven processes that import torch and lightning, on a machine that may be busy
@pytest.mark.parametrize("network", [[], CONVOLUTIONAL], ids=["mlp", "batch-norm"])
def test_stopped_by_a_signal_to_either_rank_it_goes_on_at_the_step_where_it_stopped(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: list[str]
) -> None:
    lone = Run(compose, tmp_path / "lone", *network)
    assert lone().status == "ok"
    both = Run(compose, tmp_path / "both", *network, *TWO)
    for rank, step in (("1", 7), ("0", 10)):  # in mid-epoch, and at an epoch's last batch
        monkeypatch.setenv("RANK_ACTS", json.dumps({rank: [step, "SIGUSR2"]}))
        stopped = both()
        assert (stopped.status, stopped.error) == ("killed", f"stopped by SIGUSR2 after step {step}")
    monkeypatch.delenv("RANK_ACTS")
    assert both().status == "ok"
    for rank in (0, 1):
        assert [step[:2] for step in both.steps(rank)] == [step[:2] for step in lone.steps()]
    assert_same_run(lone, both)


@pytest.mark.slow
def test_what_two_processes_began_one_ends(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lone = Run(compose, tmp_path / "lone")
    assert lone().status == "ok"
    both = Run(compose, tmp_path / "both", *TWO)
    monkeypatch.setenv("RANK_ACTS", json.dumps({"1": [7, "SIGTERM"]}))
    assert both().status == "killed"
    monkeypatch.delenv("RANK_ACTS")
    one = Run(compose, tmp_path / "both")
    assert one.folder == both.folder
    assert one().status == "ok"
    for row, other in zip(one.rows(), lone.rows(), strict=True):
        assert row == pytest.approx(other, rel=1e-10)


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "status", "error"),
    [
        ("raise", "crashed", "ValueError: out of luck (rank 1)"),
        ("SIGKILL", "killed", "rank 1 ended with signal SIGKILL"),
        ("nan", "diverged", "the loss was not finite at step 6 (epoch 1)"),
    ],
)
def test_what_happens_to_one_rank_ends_the_run(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, status: str, error: str
) -> None:
    monkeypatch.setenv("RANK_ACTS", json.dumps({"1": [7, act]}))
    both = Run(compose, tmp_path / "both", *TWO)
    result = both()
    assert (result.status, result.error) == (status, error)
    assert len(both.rows()) == 1
    if act == "raise":
        assert "raise ValueError" in (both.folder / "error.txt").read_text()
    if act != "nan":
        monkeypatch.delenv("RANK_ACTS")
        assert Run(compose, tmp_path / "both", *TWO, "sweep.retry=[crashed]")().status == "ok"
        assert len(both.rows()) == 3
