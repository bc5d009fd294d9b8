"""Scaled weight standardization: row norms, variance, and derivatives of every order."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from initlab.errors import ConfigError, Refused
from initlab.norm.base import parametrization, set_weight_
from initlab.norm.scaled_weight_standardization import RELU_GAIN, ScaledWeightStandardization, Standardize


def test_the_default_gain_is_that_of_relu() -> None:
    assert pytest.approx(1.7128586, abs=1e-7) == RELU_GAIN
    assert pytest.approx(2.9338845, abs=1e-7) == RELU_GAIN**2
    half_line = torch.linspace(0, 12, 200_001, dtype=torch.float64)
    density = torch.exp(-(half_line**2) / 2) / (2 * torch.pi) ** 0.5
    mean, square = (torch.trapezoid(half_line**power * density, half_line) for power in (1, 2))
    assert float(square - mean**2) ** -0.5 == pytest.approx(RELU_GAIN, abs=1e-9)


@settings(deadline=None)
@given(
    shape=st.sampled_from([(5, 7), (3, 2), (4, 3, 3), (8, 4, 3, 3), (6, 1, 3, 3), (2, 3, 2, 2, 2)]),
    scale=st.floats(1e-3, 1e3),
    shift=st.floats(-10, 10),
    seed=st.integers(0, 2**16),
)
def test_rows_have_mean_zero_and_the_gain_as_norm_whatever_the_raw_weight(
    shape: tuple[int, ...], scale: float, shift: float, seed: int
) -> None:
    raw = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    weight = Standardize(RELU_GAIN)(scale * raw + scale * shift)
    rows = weight.flatten(1)
    assert rows.mean(1).abs().max() < 1e-9
    torch.testing.assert_close(
        rows.square().sum(1), torch.full((shape[0],), 2.9338845, dtype=rows.dtype), rtol=1e-7, atol=0
    )
    fan_in = rows.shape[1]
    literal = raw.flatten(1)
    literal = (literal - literal.mean(1, keepdim=True)) / (
        literal.std(1, correction=0, keepdim=True) * fan_in**0.5
    )
    torch.testing.assert_close(rows, RELU_GAIN * literal, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 3), (2, 2, 2, 2)])
@pytest.mark.parametrize("learnable", [False, True])
def test_first_and_second_derivatives_are_exact(shape: tuple[int, ...], learnable: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    raw = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
    rows = (shape[0], *[1] * (len(shape) - 1)) if learnable else None
    module = Standardize(1.5, rows).double()
    if module.gain is None:
        assert gradcheck(module, (raw,), check_forward_ad=True)
        assert gradgradcheck(module, (raw,))
        return

    def function(weight: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = torch.func.functional_call(module, {"gain": gain}, (weight,))
        return result

    gain = torch.rand(rows or (), generator=generator, dtype=torch.float64, requires_grad=True)
    assert gradcheck(function, (raw, gain), check_forward_ad=True)
    assert gradgradcheck(function, (raw, gain))


def test_relu_layers_keep_mean_and_variance_and_gain_one_does_not() -> None:
    generator = torch.Generator().manual_seed(2)
    found = {}
    for gain in (RELU_GAIN, 1.0):
        x = torch.randn(400, 600, generator=generator)
        for _ in range(6):
            layer = ScaledWeightStandardization(gain=gain).wrap(nn.Linear(600, 600, bias=False))
            set_weight_(layer, torch.randn(600, 600, generator=generator))
            x = layer(x.relu()).detach()
        found[gain] = float(x.var())
    # each layer's sample variance has a relative standard error of about sqrt(2/600) over its units
    assert found[RELU_GAIN] == pytest.approx(1, abs=0.25)
    assert found[1.0] == pytest.approx(2.9338845**-6, rel=0.25)


def test_what_is_written_is_the_raw_weight() -> None:
    layer = ScaledWeightStandardization().wrap(nn.Linear(3, 2))
    weight = torch.tensor([[1.0, 2.0, 3.0], [5.0, 5.0, -4.0]])
    set_weight_(layer, weight)
    assert torch.equal(parametrization(layer).original, weight)
    effective = layer.weight
    assert isinstance(effective, torch.Tensor)
    torch.testing.assert_close(effective.square().sum(1), torch.full((2,), 2.9338845))
    set_weight_(layer, 7 * weight + 1)
    assert isinstance(layer.weight, torch.Tensor)
    torch.testing.assert_close(layer.weight, effective)


def test_a_row_without_direction_is_refused() -> None:
    layer = ScaledWeightStandardization().wrap(nn.Linear(3, 2))
    with pytest.raises(Refused, match=r"no direction for a row of equal weights in Linear\(in_features=3"):
        set_weight_(layer, torch.tensor([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]]))
    with pytest.raises(Refused, match="two weights or more per output unit"):
        ScaledWeightStandardization().wrap(nn.Conv2d(4, 4, 1, groups=4))
    with pytest.raises(ConfigError, match=r"norm\.gain=0"):
        ScaledWeightStandardization(gain=0)


def test_the_learned_gain_multiplies_each_row_and_resets_to_one() -> None:
    layer = ScaledWeightStandardization(learnable_gain=True).wrap(nn.Conv2d(3, 4, 3))
    module = parametrization(layer)[0]
    with torch.no_grad():
        module.gain.copy_(torch.arange(4.0).reshape(4, 1, 1, 1))
    assert isinstance(layer.weight, torch.Tensor)
    torch.testing.assert_close(
        layer.weight.flatten(1).norm(dim=1), torch.arange(4.0) * RELU_GAIN, rtol=1e-5, atol=1e-6
    )
    module.reset_parameters()
    assert torch.equal(module.gain, torch.ones(4, 1, 1, 1))
