"""From the arguments of a sweep to its cells."""

import json
from collections.abc import Iterator

import pytest

from initlab.errors import ConfigError
from initlab.sweep.compose import Composer, config_loader
from initlab.sweep.plan import axes_left_open, first_cell, plan


@pytest.fixture(scope="module")
def composer() -> Iterator[Composer]:
    with config_loader() as loader:
        yield Composer(loader)


def test_the_product_of_the_axes_in_order(composer: Composer) -> None:
    planned = plan(composer, ["model=mlp", "init=he,proposed", "seed=0-2"])
    assert [dict(cell.axes) for cell in planned.cells] == [
        {"init": init, "seed": seed} for init in ("he", "proposed") for seed in (0, 1, 2)
    ]
    assert [cell.config["seed"] for cell in planned.cells] == [0, 1, 2] * 2
    assert len({cell.run_id for cell in planned.cells}) == 6


def test_each_cell_is_the_run_that_its_arguments_make_alone(composer: Composer) -> None:
    for cell in plan(composer, ["model=mlp,cnn", "model.width=choice(8)", "lr=0.1,1", "seed=3"]).cells:
        assert composer.compose(cell.arguments) == cell.config
        assert cell.config["model"]["width"] == 8


def test_an_experiment_gives_axes_and_the_command_line_wins_over_them(composer: Composer) -> None:
    whole = plan(composer, ["experiment=quickstart"])
    assert (whole.name, whole.experiment, len(whole.cells)) == ("quickstart", "quickstart", 45)
    part = plan(composer, ["experiment=quickstart", "seed=0-1", "init=proposed"])
    assert len(part.cells) == 6
    assert {cell.config["init"]["name"] for cell in part.cells} == {"proposed"}
    assert part.name != whole.name  # another grid does not take the experiment's place in the report
    assert {cell.run_id for cell in part.cells} < {cell.run_id for cell in whole.cells}


def test_an_option_from_the_command_line_takes_the_axes_along_that_it_does_not_have(
    composer: Composer,
) -> None:
    figure = plan(composer, ["experiment=arpit2019/fig1", "seed=0"]).cells
    assert {"init.directions=he", "init.directions=orthogonal"} <= {
        word for c in figure for word in c.arguments
    }
    mine = plan(composer, ["experiment=arpit2019/fig1", "seed=0", "init=lsuv,proposed"]).cells
    assert {cell.config["init"]["name"] for cell in mine} == {"lsuv", "proposed"}
    lsuv = [cell for cell in mine if cell.config["init"]["name"] == "lsuv"]
    networks = [json.dumps(cell.config["model"]) for cell in lsuv]
    assert sorted(networks) == sorted({json.dumps(cell.config["model"]) for cell in figure})
    assert all(not word.startswith("init.directions") for cell in lsuv for word in cell.arguments)
    published = {cell.run_id for cell in figure if cell.config["init"]["name"] == "proposed"}
    assert published <= {cell.run_id for cell in mine}
    with pytest.raises(
        ConfigError, match=r"there is no key init\.directions"
    ):  # but what a person types stays
        plan(composer, ["experiment=arpit2019/fig1", "seed=0", "init=lsuv", "init.directions=he"])


def test_a_setting_is_swept_for_the_options_that_have_it(composer: Composer) -> None:
    words = ["model=mlp", "init=proposed,he", "init.mode=fan_in,fan_out", "seed=0-1"]
    cells = plan(composer, words).cells
    assert [dict(cell.axes) for cell in cells] == [
        *({"init": "proposed", "seed": seed} for seed in (0, 1)),
        *(
            {"init": "he", "init.mode": mode, "seed": seed}
            for mode in ("fan_in", "fan_out")
            for seed in (0, 1)
        ),
    ]
    for cell in cells:
        assert composer.compose(cell.arguments) == cell.config
    for alone in (["init=proposed", "init.mode=fan_in"], ["init=proposed,he", "init.mde=fan_in"]):
        with pytest.raises(ConfigError, match=r"there is no key init\.m"):
            plan(composer, ["model=mlp", *alone])


@pytest.mark.parametrize(
    ("asked", "networks", "inits"),
    [
        ("model=mlp", {"mlp"}, {"unit_gain", "proposed"}),
        ("model=mlp_residual", {"mlp_residual"}, {"unit_gain", "proposed"}),
        ("init=proposed", {"mlp", "mlp_residual"}, {"proposed"}),
        ("init=he,proposed", {"mlp", "mlp_residual"}, {"he", "proposed"}),
        ("init=he", {"mlp", "mlp_residual"}, {"he"}),
    ],
)
def test_an_option_leaves_the_grids_that_are_about_it_where_there_are_some(
    composer: Composer, asked: str, networks: set[str], inits: set[str]
) -> None:
    figure = plan(composer, ["experiment=arpit2019/fig1", "seed=0"]).cells
    cells = plan(composer, ["experiment=arpit2019/fig1", "seed=0", asked]).cells
    assert {cell.config["model"]["name"] for cell in cells} == networks
    assert {cell.config["init"]["name"] for cell in cells} == inits
    if inits <= {"unit_gain", "proposed"}:
        assert {cell.run_id for cell in cells} < {cell.run_id for cell in figure}


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["model=mlp"], []),
        (["experiment=quickstart"], ["init", "lr"]),
        (["experiment=quickstart", "lr=0.01"], ["init"]),
        (["experiment=arpit2019/fig1", "init=he"], ["model", "model.hidden_width"]),
    ],
)
def test_what_a_single_run_leaves_open_of_its_experiment(
    composer: Composer, arguments: list[str], left: list[str]
) -> None:
    assert axes_left_open(composer, arguments) == left


@pytest.mark.parametrize("experiment", ["quickstart", "arpit2019/fig1", "defazio/fig2"])
def test_a_cell_of_an_experiment_leaves_nothing_open(composer: Composer, experiment: str) -> None:
    for cell in plan(composer, [f"experiment={experiment}"]).cells[::7]:
        assert axes_left_open(composer, cell.arguments) == []


def test_a_cell_names_the_keys_in_which_grids_differ(composer: Composer) -> None:
    cells = plan(composer, ["experiment=grid", "seed=0", "model.num_blocks=1", "lr=0.1"]).cells
    assert {key for cell in cells for key in cell.axes} == {"norm", "init", "warmup_epochs"}
    assert all("norm" in cell.axes for cell in cells)


def test_where_results_go_does_not_rename_an_experiment(composer: Composer) -> None:
    assert plan(composer, ["experiment=quickstart", "paths.output_dir=/tmp/x"]).name == "quickstart"


def test_a_range_needs_whole_numbers(composer: Composer) -> None:
    for mistake in ("lr=0-3", "lr=0-2,5"):
        with pytest.raises(ConfigError, match="a range needs a key that holds whole numbers"):
            plan(composer, [mistake])
    assert len(plan(composer, ["lr=1,2,3"]).cells) == 3


def test_every_value_of_an_axis_is_checked(composer: Composer) -> None:
    with pytest.raises(ConfigError, match="seed=abc: must be a whole number"):
        plan(composer, ["seed=0,1,abc"])
    with pytest.raises(ConfigError, match="there is no init=propsed; did you mean proposed"):
        plan(composer, ["init=proposed,propsed"])


def test_equal_cells_are_one_run(composer: Composer) -> None:
    assert len(plan(composer, ["lr=1,1.0,0.5"]).cells) == 2


def test_the_first_cell_has_one_value_of_each_key() -> None:
    assert first_cell(["init=he,proposed", "seed=0-3", "lr=0.1"]) == ["init=he", "seed=0", "lr=0.1"]


def test_the_grid_pairs_each_norm_with_the_inits_that_fit_it(composer: Composer) -> None:
    cells = plan(composer, ["experiment=grid", "seed=0", "model.num_blocks=1"]).cells
    pairs = {(cell.config["norm"]["name"], cell.config["init"]["name"]) for cell in cells}
    weight = ("pytorch", "data_dependent", "hanin", "proposed")
    assert pairs == {*(("weight", init) for init in weight), ("batch", "orthogonal")}
    assert len(cells) == 5 * 4 * 2
