import pytest
import torch
from torch import nn

from initlab.errors import Refused
from initlab.norm.base import (
    RowNorm,
    describe,
    gain_of,
    is_weight_normalized,
    parametrization,
    row_norm,
    set_gain_,
    set_weight_,
)
from initlab.norm.weight import Weight

LAYERS = [
    lambda: nn.Linear(5, 3),
    lambda: nn.Conv1d(4, 3, 3),
    lambda: nn.Conv2d(4, 6, 3, groups=2),
    lambda: nn.Conv3d(2, 3, 2),
]
SHAPES = [(3, 5), (3, 4, 3), (2, 3, 3, 3)]


def g_and_v(shape, rng, dtype=torch.float64):
    v = torch.randn(shape, generator=rng, dtype=dtype)
    g = torch.rand(shape[0], *[1] * (len(shape) - 1), generator=rng, dtype=dtype) + 0.5
    return g.requires_grad_(), v.requires_grad_()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_forward_pass_and_the_first_gradient_are_torchs(shape, dtype, rng):
    g, v = g_and_v(shape, rng, dtype)
    ours, torchs = RowNorm()(g, v), torch._weight_norm(v, g, 0)
    torch.testing.assert_close(ours, torchs)
    cotangent = torch.randn(shape, generator=rng, dtype=dtype)
    for mine, theirs in zip(
        torch.autograd.grad(ours, (g, v), cotangent),
        torch.autograd.grad(torchs, (g, v), cotangent),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_derivatives_are_right_in_both_modes_and_in_second_order(shape, rng):
    arguments = g_and_v(shape, rng)
    assert torch.autograd.gradcheck(RowNorm(), arguments, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(RowNorm(), arguments, check_fwd_over_rev=True)


def first_coordinate(normalize):
    """``v_0 / ||v||`` as a function of v."""
    return lambda v: normalize(torch.ones(1, 1, dtype=v.dtype), v.reshape(1, 2))[0, 0]


EXACT_HESSIAN = torch.tensor([[-0.04608, 0.00256], [0.00256, 0.02208]], dtype=torch.float64)


def test_the_hessian_of_a_normalized_coordinate_is_exact():
    v = torch.tensor([3.0, 4.0], dtype=torch.float64)
    hessian = torch.autograd.functional.hessian(first_coordinate(RowNorm()), v)
    torch.testing.assert_close(hessian, EXACT_HESSIAN, rtol=0, atol=1e-15)


def test_torchs_own_weight_norm_gets_that_hessian_wrong():
    """The reason why RowNorm exists; when this fails, torch has been mended."""
    v = torch.tensor([3.0, 4.0], dtype=torch.float64)
    normalize = first_coordinate(lambda g, v: torch._weight_norm(v, g, 0))
    hessian = torch.autograd.functional.hessian(normalize, v)
    wrong = torch.tensor([[-0.048, 0.0], [-0.032, -0.024]], dtype=torch.float64)
    torch.testing.assert_close(hessian, wrong, rtol=0, atol=1e-12)


def test_the_hessian_of_a_toy_loss_has_the_known_eigenvalues():
    """Half the squared error of ``g v.x / ||v||`` at v = (3, 4), g = 2, x = (1, 2), target 0.5."""

    def loss(parameters):
        weight = RowNorm()(parameters[2:].reshape(1, 1), parameters[:2].reshape(1, 2))
        return 0.5 * ((weight @ parameters.new_tensor([1.0, 2.0])).squeeze() - 0.5) ** 2

    at = torch.tensor([3.0, 4.0, 2.0], dtype=torch.float64)
    eigenvalues = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, at))
    known = torch.tensor([-0.76002392, 0.02016346, 4.91906046], dtype=torch.float64)
    torch.testing.assert_close(eigenvalues, known, rtol=0, atol=1e-8)


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize("wrap", [lambda layer: layer, Weight().wrap], ids=["plain", "weight"])
def test_set_weight_makes_it_the_effective_weight(make, wrap, rng):
    layer = wrap(make())
    weight = torch.randn(layer.weight.shape, generator=rng, dtype=torch.float64)
    set_weight_(layer, weight)
    torch.testing.assert_close(layer.weight.double(), weight, rtol=1e-6, atol=1e-6)
    assert layer.weight.dtype is torch.float32


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
