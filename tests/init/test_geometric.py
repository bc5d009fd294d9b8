from itertools import pairwise
from math import pi

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gr_scaling import gr_scalings, mean_relative
from initlab.init.arithmetic import Arithmetic
from initlab.init.fan_in import FanIn
from initlab.init.fan_out import FanOut
from initlab.init.geometric import Geometric
from initlab.model.mlp import Mlp
from initlab.norm.none import NoNorm
from initlab.site import Role, Site


@settings(max_examples=30, deadline=None)
@given(i=st.integers(20, 60), o=st.integers(20, 60), k=st.integers(1, 5), seed=st.integers(0, 2**16))
def test_the_second_moment_is_the_papers(i, o, k, seed):
    site = Site("layer", nn.Conv2d(i, o, k), Role.HIDDEN)
    weight = Geometric().weight(site, torch.Generator().manual_seed(seed))
    expected = 2 / (k**2 * (i * o) ** 0.5)
    assert weight.shape == (o, i, k, k)
    # The mean of n squares of normal numbers has relative standard error sqrt(2 / n); six of them.
    assert float(weight.square().mean()) == pytest.approx(expected, rel=6 * (2 / weight.numel()) ** 0.5)


@pytest.mark.parametrize("c", [1.0, 2.0, 4.0])
def test_all_means_agree_on_a_square_layer(c):
    site = Site("layer", nn.Conv2d(7, 7, 3), Role.HIDDEN)
    assert Geometric(c).second_moment(site) == pytest.approx(c / (9 * 7))
    assert Geometric(c).second_moment(site) == pytest.approx(Geometric(c).second_moment(site))


def test_the_head_is_a_layer_like_the_others(rng):
    model = nn.Sequential(nn.Linear(300, 100))
    site = Site("0", model[0], Role.HEAD)
    Geometric().head(site, rng)
    expected = Geometric().second_moment(site)
    assert float(model[0].weight.detach().square().mean()) == pytest.approx(
        expected, rel=6 * (2 / 30_000) ** 0.5
    )
    assert not model[0].bias.any()


def closed_form(init, widths):
    """gamma_l / gamma_0 from gamma_{l+1} / gamma_l = n_l V_l^2 / (n_{l+2} V_{l+1}^2)."""
    layers = [Site("layer", nn.Linear(i, o)) for i, o in pairwise(widths)]
    found = [1.0]
    for below, above in pairwise(layers):
        ratio = below.fan_in * init.second_moment(below) ** 2
        found.append(found[-1] * ratio / (above.fan_out * init.second_moment(above) ** 2))
    return found


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        (Geometric(), [1, 1, 1]),
        (FanIn(), [1, 115.2, 245.76]),
        (FanOut(), [1, 0.008681, 0.004069]),
        (Arithmetic(), [1, 0.3843, 0.7001]),
    ],
)
def test_the_libsvm_network_has_the_closed_form_ratios(init, expected):  # widths 20-384-64-5
    assert closed_form(init, (20, 384, 64, 5)) == pytest.approx(expected, rel=2e-4)


@pytest.mark.parametrize("init", [Geometric(), FanIn(), FanOut(), Arithmetic()])
def test_measured_gr_scalings_follow_the_closed_form(init):  # 8 seeds: within 10 % of it
    widths = (256, 1024, 128, 512, 64)
    model = Mlp(3, widths[1:-1], widths[:1], widths[-1], NoNorm()).double()
    found = mean_relative(model, init, (256, 256), gr_scalings, seeds=8)[0]
    assert found.tolist() == pytest.approx(closed_form(init, widths), rel=0.1)
    if not isinstance(init, Geometric):  # the control: only the geometric mean balances the layers
        assert float((found - 1).abs().max()) > 0.5


@pytest.mark.parametrize("c", [1.0, 2.0, 4.0])
def test_biases_are_balanced_for_c_of_2_alone(c):  # Prop. 7
    model = Mlp(2, (1024, 128), (256,), 512, NoNorm()).double()
    found = mean_relative(model, Geometric(c=c), (256, 256), gr_scalings, seeds=8)[1]
    assert found.tolist() == pytest.approx([(4 / c**2) ** layer for layer in range(3)], rel=0.15)


def test_average_pooling_of_relu_features_passes_on_more_than_the_paper_assumes():  # Table 1
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(4000, 8, 8, generator=generator, dtype=torch.float64)
    for mean_zero, expected in ((True, 1.0), (False, 1 + 63 / pi)):
        x = features if mean_zero else features.relu()
        ratio = float(x.mean((1, 2)).square().mean() / (x.square().mean() / 64))
        # 4000 squares of means: relative standard error at most sqrt(2 / 4000) = 0.022.
        assert ratio == pytest.approx(expected, rel=0.09)
    assert 1 + 63 / pi == pytest.approx(21.05, abs=0.005)
