import math

import pytest
import torch
from torch import nn

from initlab.init import initialize
from initlab.model.construction import build_undrawn
from initlab.model.mlp import Mlp
from initlab.norm.base import parametrization
from initlab.norm.none import NoNorm
from initlab.norm.scaled_weight_standardization import ScaledWeightStandardization
from initlab.norm.weight import Weight

NORMS = [NoNorm(), Weight(), ScaledWeightStandardization()]


class Foreign(nn.Module):
    """A parameter of its own, drawn in ways that layers are drawn in, beside a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(50, 40)
        self.transposed = nn.ConvTranspose2d(3, 4, 3)
        self.table = nn.Parameter(torch.full((40, 50), math.nan))
        nn.init.kaiming_uniform_(self.table, a=5**0.5)
        self.cosine = nn.Parameter(torch.full((40, 50), math.nan))
        nn.init.trunc_normal_(self.cosine, std=0.02)
        self.norm = nn.BatchNorm1d(40)


def mlp(norm) -> Mlp:
    return Mlp(2, 8, input_shape=(5,), num_classes=3, norm=norm)


@pytest.fixture
def seen_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fresh memory holds sevens, so that a weight that was not drawn can be told from one that was."""
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *size, **options: empty(*size, **options).fill_(7.0))


@pytest.mark.usefixtures("seen_memory")
def test_weights_of_layers_are_not_drawn_and_drawn_without_it() -> None:
    undrawn, drawn = build_undrawn(lambda: mlp(NoNorm())), mlp(NoNorm())
    for index in (1, 3):
        assert bool((undrawn.hidden[index].weight == 7).all())
        assert not bool((drawn.hidden[index].weight == 7).any())


@pytest.mark.usefixtures("seen_memory")
def test_weights_behind_a_reparametrization_are_not_drawn_either() -> None:
    layer = build_undrawn(lambda: mlp(Weight())).hidden[1]
    assert bool((parametrization(layer).original1 == 7).all())


@pytest.mark.usefixtures("seen_memory")
def test_whatever_no_layer_holds_is_what_it_would_be() -> None:
    torch.manual_seed(0)
    model = build_undrawn(Foreign)
    assert bool((model.layer.weight == 7).all())
    bound = (6 / (1 + 5) / 50) ** 0.5
    assert bool((model.table.abs() <= bound).all())
    assert model.table.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)
    assert model.cosine.std().item() == pytest.approx(0.02, rel=0.1)
    assert not bool((model.transposed.weight == 7).any())
    assert bool((model.norm.weight == 1).all())
    assert bool((model.norm.running_var == 1).all())


@pytest.mark.parametrize("norm", NORMS, ids=lambda norm: type(norm).__name__)
def test_an_initialized_network_is_the_same_either_way(norm) -> None:
    states = []
    for model in (build_undrawn(lambda: mlp(norm)), mlp(norm)):
        initialize(model, "orthogonal", generator=torch.Generator().manual_seed(0))
        states.append(model.state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_nothing_outside_is_changed() -> None:
    build_undrawn(lambda: mlp(NoNorm()))
    torch.manual_seed(0)
    expected = torch.empty(8, 5)
    nn.init.kaiming_uniform_(expected, a=5**0.5)
    torch.manual_seed(0)
    assert torch.equal(nn.Linear(5, 8).weight, expected)


def test_an_error_of_the_build_is_passed_on() -> None:
    with pytest.raises(ZeroDivisionError):
        build_undrawn(lambda: nn.Linear(1 // 0, 1))
    assert nn.Linear(3, 3).weight.abs().max() < 1
