"""Loggers beside ``metrics.csv``: what they say is what it says; each run has one, closed when it ends."""

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from initlab.errors import ConfigError
from initlab.results.identity import run_id
from initlab.results.metrics_csv import MetricsCsv
from initlab.results.record import RunResult
from initlab.results.run_folder import RunFolder
from initlab.task import run_task
from initlab.tracking.metrics import ADDED, BEST, EPOCH, FITTED
from initlab.training.classifier import Classifier
from interrupted import interrupt
from offline_wandb import composed, files, no_account
from tiny_run import TINY, Compose
from wandb_file import WandbFile

OWN = ("_step", "_runtime", "_timestamp")  # W&B's


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("wandb")
    with no_account(folder):
        yield folder / "out"


@pytest.fixture(scope="module")
def config(folder: Path) -> dict[str, Any]:
    values = composed(folder, *TINY, "epochs=3", "lr=0.01", "logger.watch=gradients", "logger.tags=[mine]")
    cell = {"init": "proposed", "lr": 0.01, "seed": 0}
    return values | {"sweep": values["sweep"] | {"plan": "quickstart", "cell": cell}}


@pytest.fixture(scope="module")
def result(config: dict[str, Any]) -> RunResult:
    return run_task(config)


@pytest.fixture(scope="module")
def written(config: dict[str, Any], result: RunResult) -> WandbFile:
    (file,) = files(config)
    return file


def table(config: dict[str, Any]) -> list[dict[str, Any]]:
    return MetricsCsv(RunFolder(config["paths"]["output_dir"], run_id(config)).metrics_path).rows()


def logged(file: WandbFile) -> list[dict[str, Any]]:
    """The history without what W&B and watching add."""
    kept = [
        {k: v for k, v in row.items() if k not in OWN and not k.startswith("gradients/")}
        for row in file.history
    ]
    return [row for row in kept if row]


def equal(one: Any, other: Any) -> bool:
    """Whether two rows hold the same numbers to the last digit; NaN is NaN, as W&B writes it too."""
    return one.keys() == other.keys() and all(
        a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(float(b))) for a, b in
        ((one[key], other[key]) for key in one)
    )  # fmt: skip


def test_every_row_of_metrics_csv_is_in_the_history_to_the_last_digit(
    config: dict[str, Any], written: WandbFile
) -> None:
    rows = table(config)
    assert len(rows) == 3
    assert len(logged(written)) == 3
    assert all(map(equal, rows, logged(written)))
    assert [row["_step"] for row in written.history] == [row["epoch"] for row in rows]
    assert not equal(rows[0], rows[1] | {"epoch": 0})  # control
    assert set(rows[0]) == set(EPOCH)


def test_the_metrics_of_a_fit_are_those_that_dashboards_know(result: RunResult) -> None:
    assert set(result.metrics) == {*BEST, *FITTED, "lr"}


def test_the_summary_holds_best_and_last_values_and_what_became_of_the_run(
    config: dict[str, Any], result: RunResult, written: WandbFile
) -> None:
    rows, summary = table(config), written.summary
    for name, best in {"val/acc": max, "train/acc": max, "val/loss": min, "train/loss": min}.items():
        values = [row[name] for row in rows]
        assert summary[name] == {best.__name__: best(values), "last": values[-1]}
    for name in ("best/val_acc", "best/epoch", "test/acc", "test/loss", "lr"):
        assert summary[name] == result.metrics[name]
    assert (summary["status"], summary["diverged"], written.exit_code) == ("ok", 0, 0)


def test_the_epoch_is_the_step_of_every_metric(written: WandbFile) -> None:
    assert written.metrics["*"].step_metric == "epoch"
    assert written.metrics["val/acc"].summary.max
    assert written.metrics["val/loss"].summary.min
    assert not written.metrics["val/loss"].summary.max


def test_the_run_is_named_by_its_id_its_sweep_and_its_cell(
    config: dict[str, Any], written: WandbFile
) -> None:
    run = written.run
    assert (run.run_id, run.project, run.job_type) == (run_id(config), "initlab", "fit")
    assert run.display_name == "proposed, lr=0.01, seed=0"
    assert run.run_group == "quickstart: proposed, lr=0.01"
    assert {"init=proposed", "norm=weight", "model=mlp", "data=digits", "mine"} == set(run.tags)


def test_the_config_is_nested_and_whole(config: dict[str, Any], written: WandbFile) -> None:
    told = {key: value for key, value in written.config.items() if key not in ("_wandb", *ADDED)}
    assert told == config
    assert written.config["init"]["name"] == "proposed"


def test_watching_leaves_a_histogram_of_each_gradient_in_each_epoch(written: WandbFile) -> None:
    for row in written.history:
        gradients = {name: value for name, value in row.items() if name.startswith("gradients/")}
        assert {"gradients/head.weight", "gradients/hidden.1.bias"} <= set(gradients)
        assert all(value["_type"] == "histogram" for value in gradients.values())
        assert sum(gradients["gradients/head.bias"]["values"]) == 10


@pytest.mark.slow
def test_a_run_that_diverged_says_so_and_is_no_failure(folder: Path) -> None:
    config = composed(folder, *TINY, "lr=1e30", "epochs=2", "logger.mode=offline")
    result = run_task(config)
    (file,) = files(config)
    assert (result.status, file.summary["status"]) == ("diverged", "diverged")
    assert (file.summary["diverged"], file.exit_code) == (1, 0)
    assert file.summary["diverged/step"] == result.metrics["diverged/step"]
    assert all(map(equal, table(config), logged(file)))
    assert not any(key.startswith("gradients/") for row in file.history for key in row)


@pytest.mark.slow
def test_a_crash_ends_the_wandb_run_as_failed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    def broken(*args: Any) -> None:
        raise RuntimeError("no")

    config = composed(folder, *TINY, "seed=1")
    monkeypatch.setattr(Classifier, "training_step", broken)
    assert run_task(config).status == "crashed"
    (file,) = files(config)
    assert (file.summary["status"], file.exit_code) == ("crashed", 1)
    assert wandb.run is None


@pytest.mark.slow
def test_each_offline_file_of_a_run_that_went_on_holds_the_whole_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = composed(folder, *TINY, "epochs=3", "lr=0.02")
    interrupt(config, epoch=1, monkeypatch=monkeypatch)
    assert run_task(config).status == "ok"
    first, second = files(config)
    assert (first.summary["status"], second.summary["status"]) == ("killed", "ok")
    assert (len(logged(first)), len(logged(second))) == (2, 3)
    assert all(map(equal, table(config), logged(second)))


@pytest.mark.slow
def test_a_probe_logs_a_table_a_figure_and_charts_by_layer(folder: Path) -> None:
    config = composed(folder, *TINY, "task=probe")
    result = run_task(config)
    (file,) = files(config)
    (row,) = file.history
    assert row["signal/table"]["nrows"] == 3
    assert row["signal/figure"]["_type"] == "image-file"
    assert "signal/forward_ratio_table" in row
    assert "signal/layer_table" not in row  # a name is no number
    chart = file.config["_wandb"]["visualize"]["signal/forward_ratio"]
    assert chart["panel_type"] == "Vega2"
    assert {key: file.summary[key] for key in result.metrics} == result.metrics
    assert file.run.job_type == "probe"
    assert "epoch" not in row


@pytest.mark.slow
def test_wandb_is_not_imported_without_its_logger(compose: Compose) -> None:
    script = (
        "import sys, yaml; from initlab.task import run_task\n"
        "run_task(yaml.safe_load(sys.stdin)); print('wandb' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=yaml.safe_dump(compose(*TINY)), text=True, capture_output=True
    )
    assert done.stdout.splitlines()[-1] == "False", done.stderr


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("logger.watch=weights", "logger.watch=weights: must be gradients or null"),
        ("logger.mode=online", "logger.mode=online: must be auto or offline"),
    ],
)
def test_a_wrong_option_is_a_sentence_before_anything_is_built(
    tmp_path: Path, argument: str, sentence: str
) -> None:
    config = composed(tmp_path, *TINY, argument)
    with pytest.raises(ConfigError, match=f"^{sentence}$"):
        run_task(config)
    assert not os.path.exists(tmp_path / "runs" / run_id(config))


def test_a_wandb_that_cannot_be_reached_is_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    def unreachable(**arguments: Any) -> None:
        raise wandb.errors.CommError("no route to host\nand more")

    monkeypatch.setattr(wandb, "init", unreachable)
    with pytest.raises(ConfigError, match=r"^logger=wandb: no route to host; logger\.mode=offline keeps"):
        run_task(composed(folder, *TINY, "seed=2"))


def test_tensorboard_writes_into_the_runs_folder(compose: Compose, tmp_path: Path) -> None:
    config = compose(*TINY, "logger=tensorboard")
    assert run_task(config).status == "ok"
    folder = tmp_path / "out" / "runs" / run_id(config)
    assert list((folder / "tensorboard").glob("events.out.tfevents.*"))


def test_csv_is_no_logger_but_the_table_that_every_run_writes(compose: Compose, tmp_path: Path) -> None:
    config = compose(*TINY, "logger=csv")
    run_task(config)
    folder = tmp_path / "out" / "runs" / run_id(config)
    kept = {path.name for path in folder.iterdir() if not path.name.startswith("lock")}
    assert kept == {"checkpoints", "config.yaml", "metrics.csv", "result.json"}
