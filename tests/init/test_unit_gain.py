"""Gains of 1 lose the norm that the proposed gains keep: Arpit et al. 2019, Fig. 1."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from initlab.errors import ConfigError
from initlab.init.proposed import Proposed
from initlab.init.unit_gain import UnitGain
from initlab.model.mlp import Mlp
from initlab.norm.base import gain_of
from initlab.norm.weight import Weight
from synthetic import FullyConnectedStage, set_layer_, squared_norm_ratio


def ratio(init, fan_in, fan_out, seed, draws=300):
    """Mean of ``||relu(W u)||^2 / ||u||^2`` over draws of one layer."""
    rng = torch.Generator().manual_seed(seed)
    layer = Weight().wrap(nn.Linear(fan_in, fan_out))
    inputs = torch.randn(1, fan_in, generator=rng)
    found = []
    for _ in range(draws):
        set_layer_(layer, init, rng)
        with torch.no_grad():
            found.append(squared_norm_ratio(layer(inputs).relu(), inputs).mean())
    return float(torch.stack(found).mean())


# A draw of 64 units or more spreads by .27 of its mean at most: 4 standard errors of 300 draws are .063.
@settings(max_examples=3, deadline=None)
@given(
    fan_in=st.integers(64, 160),
    fan_out=st.integers(64, 160),
    directions=st.sampled_from(["he", "orthogonal"]),
    seed=st.integers(0, 2**16),
)
def test_a_layer_multiplies_the_mean_squared_norm_by_half_the_ratio_of_its_widths(
    fan_in, fan_out, directions, seed
):
    assert ratio(UnitGain(directions), fan_in, fan_out, seed) == pytest.approx(
        fan_out / (2 * fan_in), rel=0.07
    )
    assert ratio(Proposed(directions), fan_in, fan_out, seed) == pytest.approx(1, rel=0.07)  # the control


def test_blocks_of_equal_width_multiply_the_norm_by_the_root_of_3_over_2(rng):
    stage = FullyConnectedStage(6, 200, 200)
    UnitGain()(stage, rng)
    inputs = torch.randn(64, 200, generator=rng)
    with torch.no_grad():
        growth = float(squared_norm_ratio(stage(inputs), inputs).mean())
    assert growth == pytest.approx(1.5**6, rel=0.15)  # the draw of a block spreads by some 5%


def test_all_gains_are_1_and_biases_0(rng):
    model = Mlp(3, 16, input_shape=(8,), num_classes=4, norm=Weight())
    UnitGain()(model, rng)
    for site in list(model.sites())[:-1]:
        assert torch.equal(gain_of(site.layer), torch.ones(16))
        assert torch.equal(site.layer.bias, torch.zeros(16))


def test_unknown_directions_are_refused():
    with pytest.raises(ConfigError, match=r"^init.directions=x: must be orthogonal or he$"):
        UnitGain("x")
