"""One resolved configuration, checked key by key."""

from collections.abc import Iterator

import pytest
from hydra.types import RunMode

from initlab.errors import ConfigError
from initlab.sweep.compose import Composer, config_loader, named


@pytest.fixture(scope="module")
def composer() -> Iterator[Composer]:
    with config_loader() as loader:
        yield Composer(loader)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["model=mlp", "model.depth=3", "lr=0.5", "optim.momentum=0"],
        ["init=hanin", "norm=weight", "data=digits", "seed=7", "schedule=step", "schedule.step_size=4"],
        ["debug=smoke", "epochs=5"],
    ],
)
def test_equals_what_hydra_composes(composer: Composer, arguments: list[str]) -> None:
    whole = composer._loader.load_configuration("train", arguments, RunMode.RUN, from_shell=False)
    choices = dict(whole.hydra.runtime.choices)
    del whole._content["hydra"]  # type: ignore[union-attr, operator]
    assert composer.compose(arguments) == named(whole, choices)


def test_each_group_carries_the_name_of_its_option(composer: Composer) -> None:
    config = composer.compose(["init=hanin", "model=mlp"])
    assert config["init"]["name"] == "hanin"
    assert config["model"]["name"] == "mlp"
    assert config["experiment"] is None
    assert "hydra" not in config


def test_one_run_leaves_no_trace_in_the_next(composer: Composer) -> None:
    before = composer.compose(["model=mlp"])
    composer.compose(["model=mlp", "model.depth=99", "seed=3"])
    assert composer.compose(["model=mlp"]) == before


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("lrr=0.1", "there is no key lrr; did you mean lr?"),
        ("seed=abc", "seed=abc: must be a whole number, not a word"),
        ("seed=1.5", "seed=1.5: must be a whole number"),
        ("seed=true", "seed=True: must be a whole number, not true or false"),
        ("lr=null", "lr=None: must be a number, not null"),
        (
            "schedule.milestones=[a]",
            "schedule.milestones: must list a whole number after another, and a is not",
        ),
        ("lr=fast", "lr=fast: must be a number, not a word"),
        ("optim.nesterov=1", "optim.nesterov=1: must be true or false, not a whole number"),
        ("modle=wrn", "there is no key modle; did you mean model?"),
        ("model.widen_facto=3", "there is no key model.widen_facto; did you mean model.widen_factor?"),
        ("widen_factor=3", "there is no key widen_factor; did you mean model.widen_factor?"),
        ("optim.lr.x=3", "there is no key optim.lr.x; did you mean optim.lr?"),
        ("trainer=3", "there is no trainer=3; trainer can be default"),
        ("+model.foo=3", "+model.foo: keys cannot be added; did you mean model"),
        ("~seed", "~seed: keys cannot be deleted"),
        ("seed=[", "seed=[: "),
    ],
)
def test_a_wrong_override_is_told_in_one_line(composer: Composer, argument: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        composer.compose(["schedule=multistep", argument])
    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


def test_a_misspelt_experiment_of_a_paper_is_told_the_nearest(composer: Composer) -> None:
    told = r"there is no experiment=arpit2019/fig44; did you mean arpit2019/fig4\? \(experiment can be .*grid"
    with pytest.raises(ConfigError, match=told):
        composer.compose(["experiment=arpit2019/fig44"])


def test_a_wrong_option_names_the_nearest_and_lists_all(composer: Composer) -> None:
    with pytest.raises(ConfigError, match=r"there is no model=wrm; did you mean wrn\? \(model can be .*mlp"):
        composer.compose(["model=wrm"])


@pytest.mark.parametrize("argument", ["lr=1", "seed=0", "trainer.limit_train_batches=0.5", "model=mlp"])
def test_right_values_pass(composer: Composer, argument: str) -> None:
    assert composer.compose([argument])
