"""Every figure and table: its file composes, its header is true, its numbers are there, its parts train."""

import csv
import shlex
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

import pytest

from initlab.report.evidence import Cell as Shown
from initlab.report.evidence import Evidence
from initlab.report.page.runs import again
from initlab.results.identity import run_id
from initlab.sweep.argv import rewrite
from initlab.sweep.compose import Composer, config_loader, parse
from initlab.sweep.grid import manifest
from initlab.sweep.plan import plan
from initlab.sweep.scale import form_of_run
from initlab.task import run_task
from initlab.task.build import build
from reproductions import (
    ROOT,
    SCALES,
    combinations,
    count,
    header,
    names,
    published,
    recorded_cost,
    told_minutes,
    told_runs,
)

COLUMNS = ["metric", "value", "spread", "n", "source"]
NARROW: dict[str, dict[str, Any]] = {
    "cnn": {"depth": 3, "width": 8},
    "wrn": {"num_blocks": 1, "widen_factor": 1},
    "resnet_cifar": {"depth": 8},
    "alexnet_strided": {"widen_factor": 0.05},
    "inserted": {"width": 8},
    "mlp_residual": {"num_blocks": 2},
}


@pytest.fixture(scope="module")
def composer() -> Iterator[Composer]:
    with config_loader() as loader:
        yield Composer(loader)


def test_every_experiment_has_published_numbers_and_the_other_way_round() -> None:
    assert len(names()) > 20
    assert names() == published()


@pytest.mark.parametrize("scale", SCALES)
def test_the_header_tells_the_number_of_runs(scale: str, composer: Composer) -> None:
    """Of every experiment; it also composes what a grid has in common, and so each file."""
    told = {name: told_runs(name, scale) for name in names()}
    assert told == {name: count(composer, name, scale) for name in names()}


@pytest.mark.parametrize("name", names())
def test_the_header_tells_what_the_paper_says_and_what_the_laptop_form_cuts(name: str) -> None:
    for line in ("# Paper: ", "# Laptop form: ", "# Open in the paper: "):
        assert line in header(name) + "\n", line
    assert "@" not in header(name)


@pytest.mark.parametrize("name", names())
def test_the_header_tells_the_time_that_the_recorded_runs_took(name: str) -> None:
    """On two cores, with a run on each; a laptop form takes 20 minutes at most."""
    scale, minutes = recorded_cost(name)
    told = told_minutes(name, scale)
    assert minutes / 1.5 - 1 <= told <= 1.5 * minutes + 1
    assert scale == "full" or told <= 20


@pytest.mark.parametrize("name", published())
def test_published_numbers_are_in_the_long_form(name: str, composer: Composer) -> None:
    lines = (ROOT / "papers" / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert rows
    axes = [column for column in rows[0] if column not in COLUMNS]
    assert set(COLUMNS) <= set(rows[0])
    config = composer.compose([f"experiment={name}"])
    schema = {key for key, value in config.items() if not isinstance(value, dict)}
    for axis in axes:
        group = axis.split(".")[0]
        assert axis in schema or group in config, f"{axis} is no key of the configuration"
    for row in rows:
        assert None not in row, row  # as many fields as columns
        assert row["metric"]
        assert row["source"], row
        if not row["value"]:
            assert row["spread"] == ""
            assert row["source"].startswith(("picture not available", "text"))
        else:
            assert isfinite(float(row["value"]))
        if "acc" in row["metric"] or row["metric"] == "survival":
            assert not row["value"] or 0 <= float(row["value"]) <= 1
    points = [tuple(row[axis] for axis in [*axes, "metric"]) for row in rows]
    assert len(points) == len(set(points))


@pytest.mark.parametrize("name", names())
def test_other_options_can_stand_in_for_those_of_the_paper(name: str, composer: Composer) -> None:
    assert composer.base([f"experiment={name}"]).fallen == ()
    config = composer.compose([f"experiment={name}", "init=lsuv", "norm=weight", "optim=adam"])
    assert [config[group]["name"] for group in ("init", "norm", "optim")] == ["lsuv", "weight", "adam"]


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_the_whole_grid_can_be_planned(name: str, composer: Composer) -> None:
    for scale in SCALES:
        planned = plan(composer, [f"experiment={name}", f"scale={scale}"])
        assert planned.name == (name if scale == "full" else f"{name}-laptop")
        assert len(planned.cells) == told_runs(name, scale)


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_the_command_that_a_page_shows_for_a_run_is_that_run(name: str, composer: Composer) -> None:
    for scale in SCALES:
        assert_shown_command_is_the_run(composer, name, f"scale={scale}")


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("arpit2019/fig1", ["init=lsuv", "seed=0"]),
        ("arpit2019/table1", ["init=fixup", "norm=none", "lr=0.02", "scale=laptop"]),
        ("arpit2019/fig4", ["seed=3", "trainer.num_threads=1", "sweep.max_runs=2", "scale=laptop"]),
        ("risotto/fig4_left", ["init=proposed", "norm=weight", "epochs=2"]),
        ("defazio/fig3", ["init=lsuv", "seed=0", "scale=laptop"]),
        ("defazio/fig3", ["lr=0.0009765625,1e-7", "seed=0", "init=geometric", "init.output_std=0.5,0.05"]),
    ],
)
def test_so_it_is_of_a_run_with_something_else_in_it(name: str, more: list[str], composer: Composer) -> None:
    assert_shown_command_is_the_run(composer, name, *more)


@pytest.mark.parametrize(
    "words",
    [
        ["model=mlp", "init=he,proposed", "norm=weight", "lr=0.1,1e-7", "seed=0-1"],
        ["experiment=quickstart", "lr=0.5"],
        ["experiment=quickstart,arpit2019/fig1", "seed=0"],
        ["experiment=arpit2019/fig2,arpit2019/fig4", "seed=0", "scale=laptop", "init=he"],
        ["data=digits", "model=mlp,cnn", "model.depth=5", "init=he", "seed=3-3"],
        ["experiment=arpit2019/table1", "model=wrn", "data=digits", "seed=0"],
        ["experiment=risotto/fig5", "init=he,proposed", "norm=weight", "seed=0"],
        ["init=he,proposed", "norm=weight", "init.mode=fan_out", "optim=sgd,adam", "optim.momentum=0.5"],
    ],
)
def test_so_it_is_of_a_run_of_ones_own_sweep(words: list[str], composer: Composer) -> None:
    assert_shown_command_is_the_run(composer, "", *words)


def assert_shown_command_is_the_run(composer: Composer, name: str, *more: str) -> None:
    typed = rewrite(["-m", *([f"experiment={name}"] if name else []), *more])
    planned = plan(composer, [word for word in typed if word != "-m"])
    sweep = manifest(planned, [])
    evidence = Evidence(name, planned.name, reduced=planned.scale == "laptop", manifest=sweep)
    for cell in (planned.cells[0], planned.cells[len(planned.cells) // 2], planned.cells[-1]):
        python, program, *words = shlex.split(again(Shown(cell.run_id, cell.axes), evidence))
        assert (python, program) == ("python", "train.py")
        own = [word for word in rewrite(words) if not word.startswith("scale=")]
        assert not any(parse(word).is_sweep_override() for word in own)
        assert run_id(composer.compose([*form_of_run(composer, words)[0], *own])) == cell.run_id


# Strides and pooling leave an isometry to some pixels, and the init says so.
@pytest.mark.filterwarnings("ignore:.*pixels alone")
def test_some_of_the_combinations_train(composer: Composer, tmp_path: Path) -> None:
    found = combinations(composer, ["arpit2019/fig3_left", "risotto/fig4_center"])
    assert len(found) == 4
    for key, arguments in found.items():
        assert_trains(composer, key, arguments, tmp_path)


@pytest.mark.filterwarnings("ignore:.*pixels alone")
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_combination_of_model_init_norm_and_data_trains(composer: Composer, tmp_path: Path) -> None:
    found = combinations(composer, names())
    assert len(found) > 50
    for key, arguments in found.items():
        assert_trains(composer, key, arguments, tmp_path)


def assert_trains(composer: Composer, key: tuple[str, ...], arguments: list[str], folder: Path) -> None:
    """Train two batches of a narrow form, on synthetic data of the true shape."""
    config, shape, classes = composer.compose(arguments), (4,), 3
    if config["data"]["name"] != "libsvm":  # which would have to read a file to know
        source = build(config["data"])
        shape, classes = source.input_shape, source.num_classes
    data, task = composer.compose(["data=synthetic"])["data"], composer.compose([])["task"]
    config["data"] = {**data, "shape": list(shape), "classes": classes, "train_size": 40, "test_size": 4}
    config["task"] = task
    config["model"].update(narrow(config["model"]))
    config["paths"]["output_dir"] = str(folder)
    config |= {"epochs": 1, "batch_size": 8}
    config["schedule"]["epochs"] = 1
    config["schedule"]["warmup_epochs"] = 0
    limits = dict.fromkeys(("limit_val_batches", "limit_test_batches"), 1)
    config["trainer"] |= {"accelerator": "cpu", "limit_train_batches": 2, "num_threads": 1, **limits}
    result = run_task(config)
    assert (result.status, result.error) == ("ok", None), key
    loss = result.metrics["train/loss"]
    assert loss is not None, key
    assert isfinite(loss), key


def narrow(model: dict[str, Any]) -> dict[str, Any]:
    """Options that make a network small and leave its kinds of blocks and layers."""
    name = model["name"]
    if name in ("resnet_b", "resnet_c"):
        bottleneck = model["block"] == "bottleneck" or (model["depth"] or 0) >= 50
        kind = "bottleneck" if bottleneck else "basic"
        stages = [1] if model["stages"] and len(model["stages"]) == 1 else [1, 2]
        strides = [1] if len(stages) == 1 else [1, 2]
        widths = {"depth": None, "stages": stages, "strides": strides, "widths": [8, 16][: len(stages)]}
        return {**widths, "block": kind}
    if name == "mlp":
        width = model["width"]
        return {"width": [8] * len(width)} if isinstance(width, list) else {"width": 8, "depth": 2}
    return NARROW.get(name, {})
