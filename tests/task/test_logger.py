"""Loggers beside ``metrics.csv``: one log per run, closed when the run ends."""

from pathlib import Path
from typing import Any

import pytest

from initlab.results.identity import run_id
from initlab.task import run_task
from tiny_run import TINY, Compose


def test_each_run_of_a_sweep_is_one_wandb_run_and_is_finished(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    exits: list[tuple[str, int]] = []
    finish = wandb.Run.finish

    def watched(self: Any, exit_code: int | None = None, **kwargs: Any) -> None:
        exits.append((self.id, exit_code or 0))
        finish(self, exit_code=exit_code, **kwargs)

    monkeypatch.setattr(wandb.Run, "finish", watched)
    configs = [
        compose(*TINY, "logger=wandb", "logger.mode=offline", "seed=0"),
        compose(*TINY, "logger=wandb", "logger.mode=offline", "seed=1", "lr=1e30", "epochs=2"),
    ]
    statuses = [run_task(config).status for config in configs]
    assert statuses == ["ok", "diverged"]
    assert exits == [(run_id(config), 0) for config in configs]
    assert wandb.run is None
    for config in configs:
        folder = tmp_path / "out" / "runs" / run_id(config) / "wandb"
        (written,) = folder.glob(f"offline-run-*/run-{run_id(config)}.wandb")
        content = written.read_bytes()
        assert b"train/loss" in content or config["seed"] == 1
        assert b"proposed" in content  # the resolved config


def test_a_crash_ends_the_wandb_run_as_failed(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    codes: list[int | None] = []
    finish = wandb.Run.finish
    monkeypatch.setattr(
        wandb.Run,
        "finish",
        lambda self, exit_code=None: (codes.append(exit_code), finish(self, exit_code))[1],
    )

    def broken(*args: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("initlab.training.classifier.Classifier.training_step", broken)
    assert run_task(compose(*TINY, "logger=wandb", "logger.mode=offline")).status == "crashed"
    assert codes == [1]
    assert wandb.run is None


def test_tensorboard_writes_into_the_runs_folder(compose: Compose, tmp_path: Path) -> None:
    config = compose(*TINY, "logger=tensorboard")
    assert run_task(config).status == "ok"
    folder = tmp_path / "out" / "runs" / run_id(config)
    assert list((folder / "tensorboard").glob("events.out.tfevents.*"))


def test_csv_is_no_logger_but_the_table_that_every_run_writes(compose: Compose, tmp_path: Path) -> None:
    config = compose(*TINY, "logger=csv")
    run_task(config)
    folder = tmp_path / "out" / "runs" / run_id(config)
    assert sorted(path.name for path in folder.iterdir()) == [
        *("checkpoints", "config.yaml", "metrics.csv", "result.json"),
    ]
