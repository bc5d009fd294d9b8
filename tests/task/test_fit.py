"""A run that was stopped and resumed is the run that never stopped."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from initlab.errors import ConfigError
from initlab.results.identity import run_id
from initlab.results.metrics_csv import MetricsCsv
from initlab.task import run_task
from initlab.training.checkpoint import Checkpoint
from tiny_run import TINY, Compose

CONVOLUTIONAL = ["debug=smoke", "model=wrn", "model.num_blocks=1", "norm=batch", "init=orthogonal"]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    return checkpoint["state_dict"]


@pytest.mark.parametrize("network", [TINY, [*CONVOLUTIONAL, "trainer.num_threads=1"]], ids=["mlp", "wrn-bn"])
def test_resumed_at_an_epochs_end_the_weights_are_bit_identical(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: list[str]
) -> None:
    arguments = [*network, "epochs=3", "warmup_epochs=1", "lr=0.01"]
    whole = compose(*arguments, f"paths.output_dir={tmp_path / 'whole'}")
    assert run_task(whole).status == "ok"
    stopped = compose(*arguments, f"paths.output_dir={tmp_path / 'stopped'}")
    write = Checkpoint.on_train_epoch_end

    def write_and_stop(self: Checkpoint, trainer: Any, module: Any) -> None:
        write(self, trainer, module)
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "on_train_epoch_end", write_and_stop)
        with pytest.raises(KeyboardInterrupt):
            run_task(stopped)
    assert run_task(stopped).status == "ok"
    folders = [tmp_path / name / "runs" / run_id(whole) for name in ("whole", "stopped")]
    first, second = (weights(folder) for folder in folders)
    assert first.keys() == second.keys()
    for key in first:
        assert torch.equal(first[key], second[key]), key
    rows = [MetricsCsv(folder / "metrics.csv").rows() for folder in folders]
    for once, again in zip(*rows, strict=True):
        assert {k: v for k, v in once.items() if k != "seconds"} == {
            k: v for k, v in again.items() if k != "seconds"
        }


def test_a_run_killed_by_force_goes_on_where_it_was(compose: Compose, tmp_path: Path) -> None:
    config = compose(*TINY, "epochs=4", f"paths.output_dir={tmp_path / 'out'}")
    script = """
import os, sys, signal, yaml
from initlab.task import run_task
from initlab.training.checkpoint import Checkpoint
write = Checkpoint.on_train_epoch_end
def write_and_die(self, trainer, module):
    write(self, trainer, module)
    if trainer.current_epoch == 1:
        os.kill(os.getpid(), signal.SIGKILL)
Checkpoint.on_train_epoch_end = write_and_die
run_task(yaml.safe_load(sys.stdin))
"""
    died = subprocess.run(
        [sys.executable, "-c", script], input=yaml.safe_dump(config), text=True, check=False
    )
    assert died.returncode == -9
    folder = tmp_path / "out" / "runs" / run_id(config)
    assert not (folder / "result.json").exists()
    before = os.stat(folder / "checkpoints" / "last.ckpt").st_mtime_ns
    result = run_task(config)
    assert result.status == "ok"
    assert os.stat(folder / "checkpoints" / "last.ckpt").st_mtime_ns > before
    rows = MetricsCsv(folder / "metrics.csv").rows()
    assert [row["epoch"] for row in rows] == [0, 1, 2, 3]


def test_the_best_epoch_is_tested_and_not_the_last(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies = iter([0.5, 0.9, 0.1])

    def log(self: Any) -> None:
        self.metrics = {"val/loss": 1.0, "val/acc": next(accuracies)}

    monkeypatch.setattr("initlab.training.classifier.Classifier.on_validation_epoch_end", log)
    config = compose(*TINY, "epochs=3", "lr=0.01")
    result = run_task(config)
    assert result.metrics["best/epoch"] == 1
    assert result.metrics["best/val_acc"] == pytest.approx(0.9)
    folder = tmp_path / "out" / "runs" / run_id(config) / "checkpoints"
    best = torch.load(folder / "best.ckpt", weights_only=True)
    last = weights(folder.parent)
    assert any(not torch.equal(best[key], last[f"model.{key}"]) for key in best)


def test_a_checkpoint_of_another_configuration_is_refused(compose: Compose, tmp_path: Path) -> None:
    config = compose(*TINY, "lr=0.01")
    run_task(config)
    file = tmp_path / "out" / "runs" / run_id(config) / "checkpoints" / "last.ckpt"
    with pytest.raises(ConfigError, match="is of another configuration"):
        run_task(compose(*TINY, "lr=0.02", f"ckpt_path={file}"))


def test_a_damaged_checkpoint_is_told_in_a_sentence(compose: Compose, tmp_path: Path) -> None:
    file = tmp_path / "broken.ckpt"
    file.write_bytes(b"PK\x03\x04 this is no checkpoint")
    with pytest.raises(ConfigError, match=r"broken\.ckpt cannot be read"):
        run_task(compose(*TINY, f"ckpt_path={file}"))


def test_the_data_dependent_init_sees_the_first_minibatch_of_the_run(compose: Compose) -> None:
    result = run_task(compose(*TINY, "init=data_dependent", "lr=0.001"))
    assert result.status == "ok"
