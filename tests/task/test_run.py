"""Whatever happens to a run, its folder tells it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from initlab.errors import ConfigError, DataError, InitlabError
from initlab.results.atomic import OutputError
from initlab.results.identity import run_id
from initlab.results.lock import Held, Lock
from initlab.results.metrics_csv import MetricsCsv
from initlab.results.record import RunResult
from initlab.results.run_folder import RunFolder
from initlab.task import run_task
from initlab.task.run import Outcome
from tiny_run import TINY, Compose


def test_a_run_leaves_its_config_its_epochs_and_its_result(compose: Compose, tmp_path: Path) -> None:
    config = compose(*TINY, "epochs=2", "seed=0")
    result = run_task(config)
    folder = tmp_path / "out" / "runs" / run_id(config)
    assert {path.name for path in folder.iterdir()} >= {"config.yaml", "metrics.csv", "result.json"}
    written = json.loads((folder / "result.json").read_text())
    assert written["status"] == result.status == "ok"
    assert written["config"]["init"]["name"] == "proposed"
    assert written["seed"] == 0
    for key in ("train/loss", "train/acc", "val/acc", "best/val_acc", "test/acc"):
        assert written["metrics"][key] is not None, key
    assert all(0 <= written["metrics"][key] <= 1 for key in written["metrics"] if key.endswith("acc"))
    assert written["versions"]["torch"] == torch.__version__
    assert written["samples_per_s"] > 0
    assert written["wall_s"] > 0
    assert written["peak_memory_bytes"] > 10_000_000
    rows = MetricsCsv(folder / "metrics.csv").rows()
    assert [row["epoch"] for row in rows] == [0, 1]
    assert rows[-1]["val/acc"] == pytest.approx(written["metrics"]["val/acc"])


def test_the_same_seed_gives_the_same_run_and_another_seed_another(compose: Compose, tmp_path: Path) -> None:
    def losses(*arguments: str) -> float:
        value = run_task(compose(*TINY, *arguments)).metrics["train/loss"]
        assert value is not None
        return value

    first = losses("seed=0", f"paths.output_dir={tmp_path / 'a'}")
    torch.randn(7)  # whatever else drew random numbers in this process
    assert losses("seed=0", f"paths.output_dir={tmp_path / 'b'}") == first
    assert losses("seed=1") != first


def test_a_loss_that_is_not_finite_is_a_result(compose: Compose, tmp_path: Path) -> None:
    config = compose(*TINY, "lr=1e30", "epochs=3")
    result = run_task(config)
    assert result.status == "diverged"
    assert result.metrics["diverged/epoch"] == 0
    assert 0 < result.metrics["diverged/step"] < 4
    assert "test/acc" not in result.metrics
    assert not (tmp_path / "out" / "runs" / run_id(config) / "error.txt").exists()


def test_an_init_that_does_not_fit_is_refused_with_a_sentence(compose: Compose) -> None:
    result = run_task(compose(*TINY, "norm=none"))
    assert result.status == "refused"
    assert result.error is not None
    assert result.error.endswith("build the model with norm=weight")


def test_a_crash_leaves_its_traceback(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("the cable is out")

    monkeypatch.setattr("initlab.model.mlp.Mlp.forward", broken)
    config = compose(*TINY)
    result = run_task(config)
    assert (result.status, result.error) == ("crashed", "RuntimeError: the cable is out")
    text = (tmp_path / "out" / "runs" / run_id(config) / "error.txt").read_text()
    assert text.startswith("Traceback")
    assert "the cable is out" in text


def test_an_interrupt_is_recorded_as_killed_and_passed_on(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("initlab.model.mlp.Mlp.forward", interrupted)
    config = compose(*TINY)
    with pytest.raises(KeyboardInterrupt):
        run_task(config)
    path = tmp_path / "out" / "runs" / run_id(config) / "result.json"
    assert json.loads(path.read_text())["status"] == "killed"


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (["model.depth=0"], ConfigError, "model.depth=0: must be a positive whole number"),
        (["model.width=-3"], ConfigError, "model.width=-3: must be a positive whole number"),
        (["batch_size=0"], ConfigError, "batch_size=0: must be a positive whole number"),
        (["trainer.devices=0"], ConfigError, "trainer.devices=0: must be a whole number >= 1"),
        (["trainer.devices=2", "trainer.cuda_graphs=true"], InitlabError, "a graph is of one process"),
        (["trainer.strategy=fsdp"], ConfigError, "trainer.strategy=fsdp: can be auto or ddp"),
        (["trainer.num_nodes=2"], ConfigError, "trainer.num_nodes=2: only hydra/launcher=slurm starts"),
        (["epochs=0"], ConfigError, "epochs=0: must be at least 1"),
        (["init.directions=up"], ConfigError, "init.directions=up: must be orthogonal or he"),
        (["ckpt_path=last"], ConfigError, "there is no checkpoint "),
        (["ckpt_path=/nowhere.ckpt"], ConfigError, "there is no checkpoint /nowhere.ckpt"),
        (["data=npz", "data.file=nothing.npz"], DataError, "nothing.npz"),
    ],
)
def test_what_the_person_must_mend_is_told_and_not_recorded(
    compose: Compose, tmp_path: Path, arguments: list[str], error: type[Exception], sentence: str
) -> None:
    config = compose(*TINY, *arguments)
    with pytest.raises(error) as told:
        run_task(config)
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out" / "runs" / run_id(config)).exists()


def test_a_result_that_cannot_be_written_costs_nothing_of_what_was_trained(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: RunFolder, result: RunResult) -> None:
        raise OutputError("cannot write: no space left on device")

    config = compose(*TINY)
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_result", full)
        with pytest.raises(OutputError):
            run_task(config)
    folder = tmp_path / "out" / "runs" / run_id(config)
    assert (folder / "checkpoints" / "last.ckpt").exists()
    assert (folder / "metrics.csv").exists()


def test_a_run_that_another_process_took_over_leaves_the_folder_to_it(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken_over(config: Any, folder: RunFolder) -> Outcome:
        (folder.path / "lock.2").write_text("{}")
        return Outcome()

    monkeypatch.setattr("initlab.task.run._task", lambda config: taken_over)
    config = compose(*TINY)
    with pytest.raises(Held, match="was taken over by another process"):
        run_task(config)
    folder = tmp_path / "out" / "runs" / run_id(config)
    assert (folder / "lock.2").exists()
    assert not (folder / "result.json").exists()


def test_a_run_under_way_elsewhere_is_refused(compose: Compose, tmp_path: Path) -> None:
    config = compose(*TINY)
    folder = RunFolder(config["paths"]["output_dir"], run_id(config))
    folder.create()
    with Lock(folder.path), pytest.raises(Held, match="is being carried out by process"):
        run_task(config)


def test_a_result_that_came_meanwhile_is_taken_as_it_is(
    compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = []

    def count(config: Any, folder: RunFolder) -> Outcome:
        starts.append(1)
        return Outcome()

    monkeypatch.setattr("initlab.task.run._task", lambda config: count)
    first = run_task(compose(*TINY))
    assert run_task(compose(*TINY)) == first
    assert len(starts) == 1
    run_task(compose(*TINY, "sweep.retry=[ok]"))
    assert len(starts) == 2


def test_a_run_that_ended_is_run_again_and_not_gone_on_with(compose: Compose) -> None:
    config = compose(*TINY)
    folder = RunFolder(config["paths"]["output_dir"], run_id(config))
    first = run_task(config)
    folder.metrics_path.write_text("epoch,stale\n0,1\n")
    again = run_task(compose(*TINY, "sweep.retry=[ok]"))
    timed = ("samples_per_s", "seconds", "memory")
    numbers = [{k: v for k, v in r.metrics.items() if not any(t in k for t in timed)} for r in (first, again)]
    assert numbers[0] == numbers[1]
    assert "train/loss" in again.metrics
    assert "stale" not in folder.metrics_path.read_text()


def test_a_run_that_crashed_goes_on(compose: Compose) -> None:
    config = compose(*TINY)
    folder = RunFolder(config["paths"]["output_dir"], run_id(config))
    folder.write_result(replace(run_task(config), status="crashed"))
    kept = folder.metrics_path.stat().st_ino, folder.metrics_path.stat().st_mtime_ns
    run_task(compose(*TINY, "sweep.retry=[crashed]"))
    assert (folder.metrics_path.stat().st_ino, folder.metrics_path.stat().st_mtime_ns) == kept
