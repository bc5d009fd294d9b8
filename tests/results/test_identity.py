"""A run's id changes with everything that can change its numbers, and with nothing else."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from initlab.errors import ConfigError
from initlab.results import identity
from initlab.results.identity import run_id, scientific

keys = st.text("abcdefgh_", min_size=1, max_size=5)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("a1.γ ", max_size=4)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)
# No generated key is the name of a group that is left out.
configs = st.dictionaries(keys, values, max_size=5)


def config(**changes: Any) -> dict[str, Any]:
    base = {
        "seed": 0,
        "lr": 0.1,
        "epochs": 3,
        "warmup_epochs": 0,
        "batch_size": 64,
        "task": {"name": "fit"},
        "model": {"name": "mlp", "depth": 10},
        "data": {"name": "digits", "root": "data", "download": True, "num_workers": 0, "split": 0.1},
        "optim": {"name": "sgd", "momentum": 0.9},
        "schedule": {"name": "cosine"},
        "diagnostic": {"name": "signal"},
        "trainer": {"accelerator": "cpu", "devices": 1, "precision": "32", "limit_train_batches": 1.0},
        "paths": {"output_dir": "outputs"},
        "logger": {"name": "csv"},
    }
    return base | changes


def shuffled(value: Any, random: Any) -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        random.shuffle(items)
        return {key: shuffled(item, random) for key, item in items}
    return [shuffled(item, random) for item in value] if isinstance(value, list) else value


def as_float(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: as_float(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_float(item) for item in value]
    exact = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53
    return float(value) if exact else value


@settings(deadline=None)
@given(configs, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(content: dict[str, Any], random: Any) -> None:
    assert run_id(shuffled(content, random)) == run_id(content)


@settings(deadline=None)
@given(configs)
def test_a_whole_number_is_the_same_as_int_and_as_float(content: dict[str, Any]) -> None:
    assert run_id(as_float(content)) == run_id(content)


@settings(deadline=None)
@given(configs, keys, scalars, scalars)
def test_another_value_of_any_key_is_another_run(
    content: dict[str, Any], key: str, one: Any, other: Any
) -> None:
    same = one == other and isinstance(one, bool) == isinstance(other, bool)
    assert (run_id(content | {key: one}) == run_id(content | {key: other})) is same


@settings(deadline=None)
@given(configs, keys, scalars)
def test_a_new_key_is_another_run(content: dict[str, Any], key: str, value: Any) -> None:
    content.pop(key, None)
    assert run_id(content | {key: value}) != run_id(content)


@settings(deadline=None)
@given(configs)
def test_is_twelve_hex_digits(content: dict[str, Any]) -> None:
    assert len(run_id(content)) == 12
    assert set(run_id(content)) <= set("0123456789abcdef")


def test_true_and_the_string_one_are_not_one() -> None:
    assert len({run_id({"a": value}) for value in (1, True, "1", "1.0", None)}) == 5


def test_is_the_same_on_every_machine_and_in_every_release_that_keeps_the_numbers() -> None:
    assert identity.NUMBERS_VERSION == 2
    assert run_id({"seed": 0, "lr": 0.1, "init": {"name": "proposed"}}) == "8ffccd314c20"


def test_a_change_of_numbers_makes_every_run_another(monkeypatch: pytest.MonkeyPatch) -> None:
    before = run_id(config())
    monkeypatch.setattr(identity, "NUMBERS_VERSION", identity.NUMBERS_VERSION + 1)
    assert run_id(config()) != before


@pytest.mark.parametrize(
    "changes",
    [
        {"paths": {"output_dir": "elsewhere"}},
        {"logger": {"name": "wandb"}},
        {"callback": {"x": 1}},
        {"sweep": {"name": "slurm"}},
        {"debug": {"name": "fast"}},
        {"experiment": "quickstart"},
        {"hydra": {}},
        {"ckpt_path": "last"},
        {"data": config()["data"] | {"root": "/data", "download": False, "num_workers": 8}},
        {"trainer": config()["trainer"] | {"accelerator": "gpu", "devices": 8, "num_nodes": 2}},
        {"diagnostic": {"name": "hessian"}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_where_and_how_a_fit_runs_does_not_name_it(changes: dict[str, Any]) -> None:
    assert run_id(config(**changes)) == run_id(config())


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"lr": 0.2},
        {"data": config()["data"] | {"split": 0.2}},
        {"trainer": config()["trainer"] | {"precision": "bf16-mixed"}},
        {"trainer": config()["trainer"] | {"limit_train_batches": 20}},
        {"optim": {"name": "sgd", "momentum": 0.8}},
    ],
)
def test_what_a_fit_computes_names_it(changes: dict[str, Any]) -> None:
    assert run_id(config(**changes)) != run_id(config())


def test_a_probe_is_named_by_its_diagnostic_and_not_by_how_one_would_fit() -> None:
    probe = config(task={"name": "probe"})
    fitting = {"lr": 9.0, "epochs": 99, "warmup_epochs": 9, "optim": {}, "schedule": {}, "trainer": {}}
    assert run_id(probe | fitting) == run_id(probe)
    assert run_id(probe | {"diagnostic": {"name": "hessian"}}) != run_id(probe)
    assert run_id(probe | {"batch_size": 2}) != run_id(probe)


def test_leaves_the_config_as_it_was() -> None:
    given_config = config()
    scientific(given_config)
    assert given_config == config()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_refuses_what_is_no_finite_number_and_names_the_key(value: float) -> None:
    with pytest.raises(ConfigError, match=r"model\.gains\[1\]=.*finite"):
        run_id({"model": {"gains": [1.0, value]}})


def test_refuses_what_no_config_can_hold() -> None:
    with pytest.raises(ConfigError, match=r"model\.build: a builtin_function_or_method"):
        run_id({"model": {"build": len}})
    with pytest.raises(ConfigError, match="milestones: two keys are written alike"):
        run_id({"milestones": {1: 0.1, "1": 0.2}})
