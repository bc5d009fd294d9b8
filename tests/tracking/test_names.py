"""Runs that differ in the seed alone share a group; runs that differ in anything the sweep varies do not."""

from typing import Any

from initlab.tracking.names import names

CONFIG: dict[str, Any] = {
    "seed": 3,
    "lr": 0.1,
    "task": {"name": "fit"},
    "model": {"name": "wrn", "num_blocks": 6},
    "init": {"name": "proposed"},
    "norm": {"name": "weight"},
    "data": {"name": "cifar10"},
    "experiment": "arpit2019/fig4",
    "sweep": {"name": "default", "plan": "arpit2019/fig4-laptop", "scale": "laptop"},
}


def cell(**axes: Any) -> dict[str, Any]:
    return CONFIG | {"sweep": CONFIG["sweep"] | {"cell": axes}}


def test_a_cell_is_named_by_what_its_sweep_varies() -> None:
    told = names(cell(init="proposed", lr=0.1, **{"model.num_blocks": 6}, seed=3))
    assert told.name == "proposed, lr=0.1, num_blocks=6, seed=3"
    assert told.group == "arpit2019/fig4-laptop: proposed, lr=0.1, num_blocks=6"
    assert told.job_type == "fit"
    first = ("experiment=arpit2019/fig4", "model=wrn", "init=proposed", "norm=weight", "data=cifar10")
    assert told.tags == (*first, "scale=laptop")


def test_the_group_is_shared_by_the_seeds_and_by_no_other_cell() -> None:
    first, second, other = (
        names(cell(init=init, seed=seed)).group for init, seed in (("he", 0), ("he", 1), ("proposed", 0))
    )
    assert first == second != other


def test_a_run_on_its_own_is_named_by_what_tells_runs_apart() -> None:
    told = names(CONFIG | {"experiment": None, "sweep": {"name": "default"}})
    assert told.name == "wrn, proposed, weight, lr=0.1, seed=3"
    assert told.group == "wrn, proposed, weight, lr=0.1"


def test_no_name_is_longer_than_wandb_takes() -> None:
    told = names(cell(**{f"model.key{number}": "x" * 20 for number in range(20)}))
    assert len(told.name) <= 128
    assert len(told.group) <= 128
