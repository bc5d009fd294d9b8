"""Dashboards name only what the runs of their experiment have."""

from typing import Any

import pytest

pytest.importorskip("wandb_workspaces")

from initlab.errors import ConfigError
from initlab.sweep.compose import Composer, config_loader
from initlab.sweep.plan import Plan, plan
from initlab.tracking.workspace import check, known, references, spec, workspaces


def planned(*arguments: str) -> Plan:
    with config_loader() as loader:
        return plan(Composer(loader), arguments)


@pytest.fixture(scope="module")
def quickstart() -> Plan:
    return planned("experiment=quickstart")


@pytest.fixture(scope="module")
def specs(quickstart: Plan) -> list[dict[str, Any]]:
    return [spec(workspace) for workspace in workspaces(quickstart, "initlab", "me")]


def runs_of(content: dict[str, Any]) -> dict[str, Any]:
    (runs,) = content["section"]["runSets"]
    return runs


def filters(content: dict[str, Any]) -> dict[str, Any]:
    return {item["key"]["name"]: item["value"] for item in runs_of(content)["filters"]["filters"]}


def test_every_key_that_a_dashboard_names_is_one_that_the_runs_have(
    quickstart: Plan, specs: list[dict[str, Any]]
) -> None:
    for content in specs:
        check(content, known(quickstart))
    named = set(references(specs[0]))
    assert {("config", "init.name"), ("config", "norm.name"), ("config", "lr")} <= named
    assert {("history", "val/acc"), ("summary", "best/val_acc"), ("summary", "diverged")} <= named


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("val/acc", "val/accuracy", "names the history key val/accuracy"),
        ("summary:best/val_acc", "summary:best/acc", "names the summary key best/acc"),
        ("config:lr.value", "config:learning_rate.value", "names the config key learning_rate"),
        ("norm.value.name", "norm.value.kind", "names the config key norm.kind"),
        ("diverged", "diverges", "names the summary key diverges"),
        ("experiment", "experiments", "names the config key experiments"),
        ("epoch", "_epoch", "names the history key _epoch"),
    ],
)
def test_a_key_that_no_run_has_is_found_wherever_it_stands(
    quickstart: Plan, specs: list[dict[str, Any]], before: str, after: str, sentence: str
) -> None:
    def replaced(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: replaced(value) for key, value in node.items()}
        if isinstance(node, list):
            return [replaced(item) for item in node]
        return after if node == before else node

    assert replaced(specs[0]) != specs[0]
    with pytest.raises(ConfigError, match=sentence):
        check(replaced(specs[0]), known(quickstart))


def test_runs_are_grouped_by_init_and_norm_and_down_to_what_only_seeds_tell_apart(
    specs: list[dict[str, Any]],
) -> None:
    names = [key["name"] for key in runs_of(specs[0])["grouping"]]
    assert names == ["init.value.name", "norm.value.name", "lr.value"]


def test_one_dashboard_shows_the_experiment_and_one_its_diverged_runs(specs: list[dict[str, Any]]) -> None:
    assert filters(specs[0]) == {"experiment": "quickstart", "scale": "full"}
    assert filters(specs[1]) == {"experiment": "quickstart", "scale": "full", "diverged": 1}


def test_a_probe_shows_its_figures_and_what_it_measures_of_the_whole_network() -> None:
    small = ["model=mlp", "model.depth=2,4", "data=digits", "init=he,proposed", "seed=0-1"]
    probed = planned("task=probe", "diagnostic=all", *small)
    content = spec(workspaces(probed, "initlab", "me")[0])
    check(content, known(probed))
    named = set(references(content))
    assert {("history", "signal/figure"), ("summary", "jacobian/sigma_max")} <= named
    assert ("config", "model.depth") in named
    assert not any(name.startswith(("val/", "train/")) for _, name in named)


def test_an_axis_that_only_some_cells_have_is_no_key_to_draw_by(quickstart: Plan) -> None:
    mixed = Plan("mixed", None, (*quickstart.cells, *planned("model=cnn", "data=digits").cells))
    assert "model.width" in known(quickstart).config
    assert "norm.name" in known(mixed).config
    assert not {"model.depth", "model.input_channels"} & (known(mixed).config - known(quickstart).config)


@pytest.mark.slow
def test_every_experiment_has_dashboards_whose_keys_its_runs_have() -> None:
    from initlab.cli.options import options

    names = [option.name for option in options("experiment")]
    assert names
    for name in names:
        one = planned(f"experiment={name}")
        for workspace in workspaces(one, "initlab", "me"):
            check(spec(workspace), known(one))
