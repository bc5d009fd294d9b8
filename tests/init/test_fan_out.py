import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from initlab.init.fan_out import FanOut
from initlab.init.geometric import Geometric
from initlab.site import Role, Site


@settings(max_examples=30, deadline=None)
@given(i=st.integers(20, 60), o=st.integers(20, 60), k=st.integers(1, 5), seed=st.integers(0, 2**16))
def test_the_second_moment_is_the_papers(i, o, k, seed):
    site = Site("layer", nn.Conv2d(i, o, k), Role.HIDDEN)
    weight = FanOut().weight(site, torch.Generator().manual_seed(seed))
    expected = 2 / (k**2 * o)
    assert weight.shape == (o, i, k, k)
    # The mean of n squares of normal numbers has relative standard error sqrt(2 / n); six of them.
    assert float(weight.square().mean()) == pytest.approx(expected, rel=6 * (2 / weight.numel()) ** 0.5)


@pytest.mark.parametrize("c", [1.0, 2.0, 4.0])
def test_all_means_agree_on_a_square_layer(c):
    site = Site("layer", nn.Conv2d(7, 7, 3), Role.HIDDEN)
    assert FanOut(c).second_moment(site) == pytest.approx(c / (9 * 7))
    assert FanOut(c).second_moment(site) == pytest.approx(Geometric(c).second_moment(site))


def test_the_head_is_a_layer_like_the_others(rng):
    model = nn.Sequential(nn.Linear(300, 100))
    site = Site("0", model[0], Role.HEAD)
    FanOut().head(site, rng)
    expected = FanOut().second_moment(site)
    assert float(model[0].weight.detach().square().mean()) == pytest.approx(
        expected, rel=6 * (2 / 30_000) ** 0.5
    )
    assert not model[0].bias.any()
