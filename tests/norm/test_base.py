import pytest
import torch
from torch import nn

from initlab.errors import Refused
from initlab.norm.base import (
    describe,
    gain_of,
    is_weight_normalized,
    parametrization,
    set_gain_,
    set_weight_,
)
from initlab.norm.row_norm import row_norm
from initlab.norm.weight import Weight

LAYERS = [
    lambda: nn.Linear(5, 3),
    lambda: nn.Conv1d(4, 3, 3),
    lambda: nn.Conv2d(4, 6, 3, groups=2),
    lambda: nn.Conv3d(2, 3, 2),
]


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize("wrap", [lambda layer: layer, Weight().wrap], ids=["plain", "weight"])
def test_set_weight_makes_it_the_effective_weight(make, wrap, rng):
    layer = wrap(make())
    weight = torch.randn(layer.weight.shape, generator=rng, dtype=torch.float64)
    set_weight_(layer, weight)
    torch.testing.assert_close(layer.weight.double(), weight, rtol=1e-6, atol=1e-6)
    assert layer.weight.dtype is torch.float32


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "wrap",
    [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm],
    ids=["hook", "weight", "spectral"],
)
def test_a_weight_that_something_else_makes_is_refused_and_left_alone(wrap):
    layer = wrap(nn.Linear(5, 3))
    before = [parameter.clone() for parameter in layer.parameters()]
    with pytest.raises(Refused, match=r"is computed by .*: take that away, and wrap the layer with initlab"):
        set_weight_(layer, torch.ones(3, 5))
    assert all(torch.equal(*pair) for pair in zip(before, layer.parameters(), strict=True))


def test_a_weight_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"a weight of shape \(5,\) for Linear\(.*\), which has \(3, 5\)"):
        set_weight_(nn.Linear(5, 3), torch.ones(5))


@pytest.mark.parametrize("wrap", [lambda layer: layer, Weight().wrap], ids=["plain", "weight"])
def test_set_weight_copies(wrap, rng):
    layer = wrap(nn.Linear(4, 3)).double()
    weight = torch.randn(4, 3, generator=rng, dtype=torch.float64).T
    kept = weight.clone()
    set_weight_(layer, weight)
    weight.zero_()
    torch.testing.assert_close(layer.weight.detach(), kept)
    assert all(parameter.is_contiguous() and parameter.requires_grad for parameter in layer.parameters())


def test_set_weight_puts_the_row_norms_into_the_gain(rng):
    layer = Weight().wrap(nn.Conv2d(2, 3, 3))
    weight = torch.randn(3, 2, 3, 3, generator=rng)
    set_weight_(layer, weight)
    torch.testing.assert_close(gain_of(layer), weight.flatten(1).norm(dim=1))
    torch.testing.assert_close(row_norm(weight), weight.flatten(1).norm(dim=1).reshape(3, 1, 1, 1))
    torch.testing.assert_close(parametrization(layer).original1.detach(), weight)


def test_writing_through_the_weight_attribute_changes_nothing(rng):
    """The trap that set_weight_ is there for."""
    layer = Weight().wrap(nn.Linear(4, 4))
    before = layer.weight.detach().clone()
    nn.init.orthogonal_(layer.weight, generator=rng)
    assert torch.equal(layer.weight, before)


def test_a_row_of_zeros_has_no_direction():
    weight = torch.ones(3, 4)
    weight[1] = 0
    layer = Weight().wrap(nn.Linear(4, 3))
    before = layer.weight.detach().clone()
    with pytest.raises(Refused, match=r"row of zeros in Linear\(in_features=4, out_features=3, bias=True\)$"):
        set_weight_(layer, weight)
    assert torch.equal(layer.weight, before)
    plain = nn.Linear(4, 3)
    set_weight_(plain, weight)
    assert torch.equal(plain.weight, weight)


@pytest.mark.parametrize("make", LAYERS)
def test_gains_are_set_as_one_number_or_one_per_unit(make):
    layer = Weight().wrap(make())
    units = len(layer.weight)
    set_gain_(layer, 2.0)
    torch.testing.assert_close(layer.weight.flatten(1).norm(dim=1), torch.full((units,), 2.0))
    gains = torch.arange(1.0, units + 1)
    set_gain_(layer, gains)
    torch.testing.assert_close(layer.weight.flatten(1).norm(dim=1).detach(), gains)
    assert torch.equal(gain_of(layer), gains)


def test_a_layer_without_gain_says_so():
    with pytest.raises(Refused, match=r"^Linear\(.*\) has no gain: build the model with norm=weight$"):
        set_gain_(nn.Linear(12, 8), 1.0)
    with pytest.raises(Refused, match="has no gain"):
        gain_of(nn.Linear(12, 8))


def test_a_layer_is_described_in_one_line_reparametrized_or_not():
    assert describe(Weight().wrap(nn.Linear(2, 3))) == describe(nn.Linear(2, 3))
    assert is_weight_normalized(Weight().wrap(nn.Linear(2, 3)))
    assert not is_weight_normalized(nn.Linear(2, 3))
