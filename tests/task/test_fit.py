"""A run that was stopped and resumed is the run that never stopped."""

import os
import signal
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
from initlab.training.classifier import Classifier
from interrupted import interrupt
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
    interrupt(stopped, epoch=1, monkeypatch=monkeypatch)
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
from initlab.training.classifier import Classifier
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


@pytest.mark.parametrize("asked_at", [3, 4, 6])
@pytest.mark.parametrize("signal_name", ["SIGUSR2", "SIGTERM"])
def test_a_run_asked_to_stop_saves_itself_and_goes_on_at_the_step_where_it_stopped(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked_at: int, signal_name: str
) -> None:
    """4 batches an epoch: in mid-epoch, at an epoch's last batch, and in mid-epoch again."""
    arguments = [*TINY, "epochs=3", "lr=0.01"]
    whole = compose(*arguments, f"paths.output_dir={tmp_path / 'whole'}")
    stopped = compose(*arguments, f"paths.output_dir={tmp_path / 'stopped'}")
    assert run_task(whole).status == "ok"
    steps = []
    step = Classifier.training_step

    def ask(self: Classifier, batch: Any, batch_idx: int) -> torch.Tensor:
        steps.append((self.current_epoch, batch_idx))
        if len(steps) == asked_at:
            os.kill(os.getpid(), getattr(signal, signal_name))
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "training_step", ask)
        result = run_task(stopped)
        assert (result.status, result.error) == ("killed", f"stopped by {signal_name} after step {asked_at}")
        assert len(steps) == asked_at
        assert run_task(stopped).status == "ok"
    assert steps == [(epoch, index) for epoch in range(3) for index in range(4)]
    folders = [tmp_path / name / "runs" / run_id(whole) for name in ("whole", "stopped")]
    first, second = (weights(folder) for folder in folders)
    for key in first:
        assert torch.equal(first[key], second[key]), key
    rows = [MetricsCsv(folder / "metrics.csv").rows() for folder in folders]
    for one, other in zip(*rows, strict=True):
        assert {key: value for key, value in one.items() if key != "seconds"} == {
            key: value for key, value in other.items() if key != "seconds"
        }


def test_layers_that_draw_go_on_drawing_where_they_stopped(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[float] = []
    step = Classifier.training_step

    def draw(self: Classifier, batch: Any, batch_idx: int) -> torch.Tensor:
        drawn.append(float(torch.rand(())))
        if len(drawn) == stop_at:
            os.kill(os.getpid(), signal.SIGUSR2)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Classifier, "training_step", draw)
    stop_at = -1
    run_task(compose(*TINY, "epochs=2", "lr=0.01", f"paths.output_dir={tmp_path / 'whole'}"))
    whole, drawn[:] = list(drawn), []
    stop_at = 2
    config = compose(*TINY, "epochs=2", "lr=0.01", f"paths.output_dir={tmp_path / 'stopped'}")
    assert run_task(config).status == "killed"
    torch.rand(5)
    assert run_task(config).status == "ok"
    assert drawn == whole


def test_a_damaged_checkpoint_of_its_own_makes_a_run_start_anew(
    compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = compose(*TINY, "lr=0.01")
    whole = run_task(config)
    folder = tmp_path / "out" / "runs" / run_id(config)
    last = folder / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    (folder / "result.json").unlink()
    again = run_task(config)
    assert again.metrics == whole.metrics
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("network", [TINY, CONVOLUTIONAL], ids=["mlp", "wrn-bn"])
def test_mixed_precision_computes_in_bfloat16_and_keeps_weights_in_float32(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: list[str]
) -> None:
    computed = set()
    linear = torch.nn.functional.linear

    def look(*arguments: torch.Tensor) -> torch.Tensor:
        output = linear(*arguments)
        computed.add(output.dtype)
        return output

    monkeypatch.setattr(torch.nn.functional, "linear", look)
    losses = []
    for precision, kind in (("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)):
        computed.clear()
        config = compose(*network, "lr=0.01", "trainer.num_threads=1", f"trainer.precision={precision}")
        losses.append(run_task(config).metrics["train/loss"])
        assert computed == {kind}
        stored = weights(tmp_path / "out" / "runs" / run_id(config)).values()
        assert {tensor.dtype for tensor in stored if tensor.is_floating_point()} == {torch.float32}
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)  # bfloat16 has 8 bits: 0.4% an operation


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("network", [TINY, CONVOLUTIONAL], ids=["mlp-wn", "wrn-bn"])
def test_a_compiled_network_trains_as_the_plain_one_up_to_rounding(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: list[str]
) -> None:
    compiled_calls = []
    compile_ = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda *a, **k: compiled_calls.append(1) or compile_(*a, **k)
    )
    arguments = [*network, "lr=0.01", "trainer.num_threads=1"]
    plain, compiled = (compose(*arguments, f"trainer.compile={flag}") for flag in ("false", "true"))
    first, second = run_task(plain), run_task(compiled)
    assert (first.status, second.status, compiled_calls) == ("ok", "ok", [1])
    for key in ("train/loss", "val/loss", "test/loss"):
        assert second.metrics[key] == pytest.approx(first.metrics[key], rel=1e-4), key
    ours, theirs = (weights(tmp_path / "out" / "runs" / run_id(config)) for config in (compiled, plain))
    assert ours.keys() == theirs.keys()


def test_a_signal_while_a_checkpoint_is_written_leaves_it_whole(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = compose(*TINY, "epochs=3", "lr=0.01")
    replace = os.replace

    def interrupted(source: Any, target: Any) -> None:
        if str(target).endswith("last.ckpt"):
            os.kill(os.getpid(), signal.SIGUSR2)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("initlab.training.checkpoint.os.replace", interrupted)
        stopped = run_task(config)
    # Asked to in the epoch's own write, it ends the next step, and saves that.
    assert (stopped.status, stopped.error) == ("killed", "stopped by SIGUSR2 after step 5")
    torch.load(tmp_path / "out" / "runs" / run_id(config) / "checkpoints" / "last.ckpt", weights_only=True)
    assert run_task(config).status == "ok"


def test_a_signal_while_the_parts_are_imported_stops_the_run_before_it_begins(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_import.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGUSR2)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    config = compose(*TINY, "task._target_=slow_import.fit")
    stopped = run_task(config)
    assert (stopped.status, stopped.error) == ("killed", "stopped by SIGUSR2")
    assert run_task({**config, "task": {"_target_": "initlab.task.fit.fit", "name": "fit"}}).status == "ok"
