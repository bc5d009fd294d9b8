"""Experiment and debug files: what wins over what, and how they are held to the groups."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from initlab.configs_dir import configs_dir
from initlab.errors import ConfigError
from initlab.sweep.compose import Composer, config_loader
from initlab.sweep.plan import plan
from initlab.sweep.scale import form_of_run


@pytest.fixture
def two_experiments(tmp_path: Path) -> Iterator[Composer]:
    """A folder of configs with two experiments of different axes, one in a folder of its own."""
    head = "# @package _global_\n"
    (tmp_path / "experiment" / "deep").mkdir(parents=True)
    (tmp_path / "experiment" / "a.yaml").write_text(
        head + "lr: 0.5\nhydra: {sweeper: {params: {seed: 0-1, lr: '1,2'}}}\n"
    )
    (tmp_path / "experiment" / "deep" / "b.yaml").write_text(
        head + "epochs: 7\nhydra: {sweeper: {params: {model: 'mlp,cnn', seed: [3, 4]}}}\n"
    )
    (tmp_path / "experiment" / "wrong.yaml").write_text(head + "modle: {depth: 3}\n")
    (tmp_path / "experiment" / "nested.yaml").write_text(
        head + "defaults: [{override /diagnostic: all}]\ndiagnostic: {signal: {second_moments: true}}\n"
    )
    (tmp_path / "experiment" / "misspelt.yaml").write_text(head + "init: {distribtion: uniform}\n")
    (tmp_path / "experiment" / "set.yaml").write_text(
        head + "defaults: [{override /init: he}]\ninit: {distribution: uniform}\n"
        "laptop: [init.mode=fan_out, epochs=1]\n"
    )
    (tmp_path / "experiment" / "typed.yaml").write_text(head + "optim: {momentum: fast}\n")
    (tmp_path / "debug").mkdir()
    (tmp_path / "debug" / "small.yaml").write_text(head + "defaults: [{override /init: proposed}]\n")
    (tmp_path / "debug" / "d.yaml").write_text(head + "epochs: 9\nlr: 9\n")
    for entry in configs_dir().iterdir():
        if entry.name not in ("experiment", "debug"):
            (tmp_path / entry.name).symlink_to(entry)
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        yield Composer(GlobalHydra.instance().config_loader())


def test_a_sweep_over_experiments_expands_the_axes_of_each(two_experiments: Composer) -> None:
    cells = plan(two_experiments, ["experiment=a,deep/b"]).cells
    told = [
        (c.config["experiment"], c.config["model"]["name"], c.config["lr"], c.config["seed"]) for c in cells
    ]
    assert told == [
        *(("a", "wrn", lr, seed) for seed in (0, 1) for lr in (1, 2)),
        *(("deep/b", model, 0.1, seed) for model in ("mlp", "cnn") for seed in (3, 4)),
    ]
    assert {cell.config["epochs"] for cell in cells if cell.config["experiment"] == "deep/b"} == {7}
    assert [cell.axes["experiment"] for cell in cells] == [cell.config["experiment"] for cell in cells]
    assert all("experiment" not in cell.axes for cell in plan(two_experiments, ["experiment=a"]).cells)


def test_debug_wins_over_the_experiment_and_the_command_line_over_both(two_experiments: Composer) -> None:
    assert two_experiments.compose(["experiment=a"])["lr"] == 0.5
    assert two_experiments.compose(["experiment=a", "debug=d"])["lr"] == 9
    assert two_experiments.compose(["experiment=deep/b", "debug=d", "epochs=11"])["epochs"] == 11
    assert two_experiments.compose(["epochs=11", "debug=d", "experiment=deep/b"])["epochs"] == 11


def test_an_experiment_is_held_to_the_keys_and_types_of_the_groups(two_experiments: Composer) -> None:
    with pytest.raises(
        ConfigError, match=r"experiment=wrong: there is no key modle\.depth; did you mean model"
    ):
        two_experiments.compose(["experiment=wrong"])
    with pytest.raises(ConfigError, match=r"experiment=typed: optim\.momentum=fast: must be a number"):
        two_experiments.compose(["experiment=typed"])


def test_what_an_experiment_sets_for_its_option_goes_with_it(two_experiments: Composer) -> None:
    of_he = two_experiments.base(["experiment=set", "init=he"])
    assert (of_he.config.init.distribution, of_he.fallen) == ("uniform", ())
    assert (
        two_experiments.compose(["experiment=set", "init=proposed"])["init"]
        == (two_experiments.compose(["init=proposed"])["init"])
    )
    planned = plan(two_experiments, ["experiment=set", "init=he,proposed", "scale=laptop"])
    assert planned.fallen == ("init.distribution", "init.mode")
    for cell in planned.cells:
        assert ("init.mode=fan_out" in cell.arguments) == (cell.config["init"]["name"] == "he")
        assert two_experiments.compose(cell.arguments) == cell.config
    form = form_of_run(two_experiments, ["experiment=set", "scale=laptop", "init=proposed"])
    assert form == (["epochs=1"], ["init.mode"])
    # A key that the experiment's own option does not have is a mistake, whatever is chosen.
    for chosen in ([], ["init=proposed"]):
        with pytest.raises(ConfigError, match=r"misspelt sets init\.distribtion, which init=\w+ does not"):
            two_experiments.compose(["experiment=misspelt", *chosen])


def test_what_falls_away_leaves_nothing_behind(two_experiments: Composer) -> None:
    nested = two_experiments.compose(["experiment=nested", "diagnostic=hessian"])
    assert nested["diagnostic"] == two_experiments.compose(["diagnostic=hessian"])["diagnostic"]
    assert two_experiments.base(["experiment=nested", "diagnostic=hessian"]).emptied == ["diagnostic.signal"]
    small = two_experiments.base(["experiment=set", "debug=small"])  # whose own init has no such key
    assert (small.choices["init"], small.fallen) == ("proposed", ("init.distribution",))


def test_an_experiment_chooses_its_launcher_and_the_command_line_another() -> None:
    with config_loader() as loader:
        composer = Composer(loader)
        for arguments, launcher in (
            ([], "basic"),
            (["experiment=quickstart"], "pool"),
            (["experiment=quickstart", "hydra/launcher=basic"], "basic"),
        ):
            assert composer.base(arguments).choices["hydra/launcher"] == launcher
