"""What every init promises, checked over the files of ``configs/init`` on every network with every norm."""

import json
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import pytest
import torch
from torch import nn

import components
from initlab.errors import ConfigError, Refused
from initlab.init import Init, initialize

FITS = components.ROOT / "src" / "initlab" / "init" / "fits.json"
INITS = components.names("init")
MODELS = components.names("model")
NORMS = components.names("norm")

# An init may warn: of a foreign parameter that it cannot reset, of an isometry that a width makes partial.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def test_the_config_files_are_found():
    assert {"proposed", "pytorch", "he", "orthogonal", "hanin", "data_dependent"} <= set(INITS)
    assert MODELS
    assert NORMS


@cache
def model_of(init: str, name: str, norm: str, dtype: torch.dtype) -> nn.Module | None:
    """A small network with the options that the init needs; inits that need none share it."""
    if init in components.NEEDED:
        model = components.small_model(name, norm, **components.NEEDED[init])
        return None if model is None else model.to(dtype)
    return shared_model_of(name, norm, dtype)


@cache
def shared_model_of(name: str, norm: str, dtype: torch.dtype) -> nn.Module | None:
    model = components.small_model(name, norm)
    return None if model is None else model.to(dtype)


@cache
def to_be_set(model: nn.Module) -> list[torch.Tensor]:
    """Every parameter and running statistic that an init can be asked to set."""
    found: list[torch.Tensor] = []
    for module in model.modules():
        foreign = not type(module).__module__.startswith(("initlab.", "torch.nn.utils.parametrize"))
        if not foreign or callable(getattr(module, "reset_parameters", None)):
            found += [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    return [tensor.detach() for tensor in found if tensor.is_floating_point()]


def fill_with_nan_(model: nn.Module) -> None:
    """Forget what an init can be asked to set."""
    for tensor in to_be_set(model):
        tensor.fill_(float("nan"))


def state_after(model: nn.Module, init: Init, name: str, seed: int) -> dict[str, torch.Tensor] | None:
    """What ``init`` leaves in ``model``, starting from NaN; None where it refuses."""
    fill_with_nan_(model)
    inputs, labels = components.small_batch(name)
    inputs = inputs.to(next(model.parameters()).dtype)
    try:
        initialize(model, init, torch.Generator().manual_seed(seed), batch=(inputs, labels))
    except (Refused, ConfigError) as refusal:
        components.check_one_line(refusal)
        return None
    return {key: tensor.clone() for key, tensor in model.state_dict().items()}


ModesAndHooks = list[tuple[bool, int, int]]


def modes_and_hooks(model: nn.Module) -> ModesAndHooks:
    return [(m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]


class Case(NamedTuple):
    """One init on one network that it fits: what seed 0 leaves, and modes and hooks before and after."""

    name: str
    norm: str
    model: nn.Module
    state: dict[str, torch.Tensor]
    before: ModesAndHooks
    after: ModesAndHooks

    def __str__(self) -> str:
        return f"model={self.name} norm={self.norm}"


@cache
def strategy_of(init: str) -> Init:
    return components.build("init", init)


@cache
def case_of(init: str, name: str, norm: str, dtype: torch.dtype) -> Case | None:
    model = model_of(init, name, norm, dtype)
    if model is None:
        return None
    before = modes_and_hooks(model)
    state = state_after(model, strategy_of(init), name, seed=0)
    return None if state is None else Case(name, norm, model, state, before, modes_and_hooks(model))


def cases(init: str, dtype: torch.dtype = torch.float32) -> Iterator[Case]:
    """The networks that an init fits."""
    found = (case_of(init, name, norm, dtype) for name in MODELS for norm in NORMS)
    return (case for case in found if case is not None)


@pytest.mark.parametrize("init", INITS)
def test_fits_some_network(init):
    assert next(cases(init), None) is not None


@pytest.mark.parametrize("init", INITS)
def test_what_it_fits_is_listed(init):
    listed = json.loads(FITS.read_text()).get(init, {"fits": {}, "needs": None})
    fits = [(name, norm) for name, norms in listed["fits"].items() for norm in norms]
    assert fits == [(name, norm) for name, norm, *_ in cases(init)], "run `make docs`"
    assert listed["needs"] == components.needs(init)


@pytest.mark.parametrize("init", INITS)
def test_sets_every_parameter_and_running_statistic(init):
    for case in cases(init):
        numbers = {key: tensor for key, tensor in case.state.items() if tensor.is_floating_point()}
        unset = [key for key, tensor in numbers.items() if not bool(torch.isfinite(tensor).all())]
        assert not unset, f"init={init} on {case}"


@pytest.mark.parametrize("init", INITS)
def test_draws_from_its_generator_and_from_nothing_else(init):
    strategy = strategy_of(init)
    for case in cases(init):
        where = f"init={init} on {case}"
        torch.manual_seed(1)
        before = torch.get_rng_state()
        again = state_after(case.model, strategy, case.name, seed=0)
        assert torch.equal(torch.get_rng_state(), before), where
        assert again is not None
        assert all(torch.equal(case.state[key], again[key]) for key in again), where
        other = state_after(case.model, strategy, case.name, seed=1)
        assert other is not None
        assert any(not torch.equal(case.state[key], other[key]) for key in other), where


@pytest.mark.parametrize("init", INITS)
def test_a_seed_gives_the_same_weights_in_both_precisions(init):
    for case in cases(init, torch.float64):
        rounded = case_of(init, case.name, case.norm, torch.float32)
        assert rounded is not None
        for key, tensor in case.state.items():
            if tensor.is_floating_point():
                same = torch.allclose(rounded.state[key].double(), tensor, rtol=1e-4, atol=1e-4)
                assert same, f"init={init} on {case}: {key}"


@pytest.mark.parametrize("init", INITS)
def test_leaves_the_mode_and_the_hooks_as_they_were(init):
    for case in cases(init):
        assert case.after == case.before, f"init={init} on {case}"
        assert all(training for training, _, _ in case.before), f"init={init} on {case}"


@pytest.mark.parametrize("init", [name for name in INITS if components.target("init", name).needs_batch])
def test_refuses_to_work_without_the_batch_that_it_needs(init):
    with pytest.raises(Refused, match="needs a batch"):
        initialize(next(cases(init)).model, components.build("init", init), torch.Generator())


@pytest.mark.parametrize("init", INITS)
def test_refuses_a_network_without_gains_if_it_sets_gains(init):
    strategy = components.build("init", init)
    plain = components.small_model("mlp", "none")
    assert plain is not None
    refused = state_after(plain, strategy, "mlp", seed=0) is None
    assert refused or not strategy.needs_weight_norm


def test_a_network_without_layers_is_refused():
    with pytest.raises(Refused, match="no Linear or Conv layer"):
        initialize(nn.ReLU(), "he", torch.Generator())


def test_an_unknown_name_is_refused():
    with pytest.raises(ConfigError, match="no init named 'hee'"):
        initialize(nn.Linear(1, 1), "hee", torch.Generator())


def test_what_an_init_cannot_reset_is_warned_about():
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)
            self.scale = nn.Parameter(torch.ones(()))

    with pytest.warns(UserWarning, match="no init sets Scaled.scale"):
        initialize(Scaled(), "he", torch.Generator())
