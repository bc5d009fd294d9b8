"""The laptop form of an experiment: between the experiment's own values and those of the command line."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from initlab.configs_dir import configs_dir
from initlab.errors import ConfigError
from initlab.sweep.compose import Composer
from initlab.sweep.grid import manifest
from initlab.sweep.plan import plan
from initlab.sweep.scale import form_of_run

REDUCED = """# @package _global_
defaults:
  - override /model: mlp
  - override /data: cifar10
epochs: 9
laptop:
  - model.width=8
  - epochs=2
  - data=mnist
  - seed=0-1
  - lr=0.01,0.1
hydra: {sweeper: {params: {init: 'pytorch,proposed', lr: '1,2,3', seed: 0-4}}}
"""
GRIDS = """# @package _global_
laptop: [epochs=2]
hydra:
  sweeper:
    params:
      - {model: mlp, model.depth: '7,8', laptop: [model.depth=3]}
      - {model: wrn, laptop: null}
      - {model: cnn, model.padding_mode: circular, seed: 0-2, laptop: [~model.padding_mode]}
"""


@pytest.fixture
def composer(tmp_path: Path) -> Iterator[Composer]:
    (tmp_path / "experiment" / "paper").mkdir(parents=True)
    (tmp_path / "experiment" / "paper" / "claim.yaml").write_text(REDUCED)
    (tmp_path / "experiment" / "grids.yaml").write_text(GRIDS)
    (tmp_path / "experiment" / "whole.yaml").write_text("# @package _global_\nepochs: 7\n")
    (tmp_path / "experiment" / "wrong.yaml").write_text("# @package _global_\nlaptop: epochs=2\n")
    for entry in configs_dir().iterdir():
        if entry.name != "experiment":
            (tmp_path / entry.name).symlink_to(entry)
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        yield Composer(GlobalHydra.instance().config_loader())


def test_the_laptop_form_wins_over_the_experiment_and_the_command_line_over_both(composer: Composer) -> None:
    full = plan(composer, ["experiment=paper/claim"])
    assert (full.name, full.scale, len(full.cells)) == ("paper/claim", "full", 2 * 3 * 5)
    reduced = plan(composer, ["experiment=paper/claim", "scale=laptop"])
    assert (reduced.name, reduced.scale, len(reduced.cells)) == ("paper/claim-laptop", "laptop", 2 * 2 * 2)
    for cell in reduced.cells:
        assert (cell.config["epochs"], cell.config["data"]["name"]) == (2, "mnist")
        assert cell.config["model"]["width"] == 8
    given = plan(composer, ["experiment=paper/claim", "scale=laptop", "epochs=3", "seed=7", "init=pytorch"])
    told = [(cell.config["epochs"], cell.config["seed"], cell.config["lr"]) for cell in given.cells]
    assert told == [(3, 7, 0.01), (3, 7, 0.1)]
    assert given.name.startswith("paper/claim-laptop-")


def test_the_scale_is_in_the_manifest_and_not_in_a_run(composer: Composer) -> None:
    arguments = ["experiment=paper/claim", "scale=laptop"]
    planned = plan(composer, arguments)
    assert manifest(planned, arguments)["scale"] == "laptop"
    assert manifest(plan(composer, arguments[:1]), arguments[:1])["scale"] == "full"
    written_out = ["experiment=paper/claim", "model.width=8", "epochs=2", "data=mnist", "seed=0-1"]
    by_hand = plan(composer, [*written_out, "lr=0.01,0.1", "scale=full"])
    assert [cell.run_id for cell in by_hand.cells] == [cell.run_id for cell in planned.cells]
    assert not {"scale", "laptop"} & set(planned.cells[0].config)


def test_a_single_run_takes_the_form_without_its_axes(composer: Composer) -> None:
    arguments = ["experiment=paper/claim", "scale=laptop", "epochs=4"]
    assert form_of_run(composer, arguments) == (["model.width=8", "data=mnist"], [])
    assert form_of_run(composer, arguments[:1]) == ([], [])


def test_each_grid_may_have_a_form_of_its_own_or_be_left_out(composer: Composer) -> None:
    told = [
        [(c.config["model"]["name"], c.config["model"].get("depth"), c.config["epochs"], c.config["seed"])
         for c in plan(composer, ["experiment=grids", *scale]).cells]
        for scale in ([], ["scale=laptop"], ["scale=laptop", "model.depth=9"])
    ]  # fmt: skip
    padding = [
        [
            cell.config["model"]["padding_mode"]
            for cell in plan(composer, ["experiment=grids", scale]).cells[-3:]
        ]
        for scale in ("scale=full", "scale=laptop")
    ]
    assert padding == [["circular"] * 3, ["zeros"] * 3]
    small = [("cnn", 5, 2, seed) for seed in range(3)]
    full = [("mlp", 7, 200, 0), ("mlp", 8, 200, 0), ("wrn", None, 200, 0)]
    assert told[0] == [*full, *(("cnn", 5, 200, seed) for seed in range(3))]
    assert told[1] == [("mlp", 3, 2, 0), *small]
    assert told[2] == [("mlp", 9, 2, 0), *(("cnn", 9, 2, seed) for seed in range(3))]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["scale=laptop"], "scale=laptop reduces an experiment: name one"),
        (
            ["experiment=whole", "scale=laptop"],
            "experiment=whole has no laptop form: leave scale=laptop away",
        ),
        (["experiment=paper/claim", "scale=small"], "scale=small: must be full or laptop"),
        (["experiment=paper/claim", "scale=full,laptop"], "scale=full,laptop: must be full or laptop"),
        (["experiment=wrong", "scale=laptop"], "experiment=wrong: laptop must be a list of overrides"),
    ],
)
def test_a_scale_that_cannot_be_is_told_in_a_sentence(
    composer: Composer, arguments: list[str], sentence: str
) -> None:
    for of in (plan, form_of_run):
        with pytest.raises(ConfigError, match=sentence) as error:
            of(composer, arguments)
        assert "\n" not in str(error.value)


def test_a_mistake_in_the_scale_of_a_single_run_ends_with_one_sentence() -> None:
    train = Path(__file__).parents[2] / "train.py"
    done = subprocess.run(
        [sys.executable, str(train), "experiment=grid", "scale=laptop"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout + done.stderr == "error: experiment=grid has no laptop form: leave scale=laptop away\n"
