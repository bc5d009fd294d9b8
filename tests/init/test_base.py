import pytest
import torch
from torch import nn

from initlab.errors import ConfigError
from initlab.init import initialize, named_init
from initlab.init.base import torch_default_, zero_bias_
from initlab.init.data_dependent import DataDependent
from initlab.init.proposed import Proposed
from initlab.site import Site


def test_a_name_finds_the_class_of_the_same_name():
    assert named_init("data_dependent") == DataDependent()
    assert named_init("proposed", directions="he") == Proposed(directions="he")


@pytest.mark.parametrize("name", ["hee", "draw"])
def test_a_name_without_a_strategy_is_refused(name):
    with pytest.raises(ConfigError, match=f"no init named '{name}'"):
        named_init(name)


def test_an_option_that_a_strategy_does_not_have_is_refused():
    with pytest.raises(ConfigError, match=r"^he has no option moode; it has distribution, mode$"):
        named_init("he", moode="fan_out")


def test_torchs_default_is_torchs(rng):
    """Both are uniform; of 200 entries, the largest is within 5% of the bound all but surely."""
    layer = nn.Linear(200, 200)
    parameters = layer.weight.detach(), layer.bias.detach()
    bounds = [float(parameter.abs().max()) for parameter in parameters]
    torch_default_(Site("layer", layer), rng)
    for parameter, bound in zip(parameters, bounds, strict=True):
        assert float(parameter.abs().max()) == pytest.approx(bound, rel=0.05)
        assert float(parameter.var()) == pytest.approx(1 / (3 * 200), rel=0.2)


def test_a_layer_may_have_no_bias(rng):
    site = Site("layer", nn.Conv2d(3, 4, 3, bias=False))
    torch_default_(site, rng)
    zero_bias_(site)
    assert site.layer.bias is None


def test_running_statistics_start_again():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    model(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)))
    initialize(model, "he", torch.Generator().manual_seed(0))
    assert torch.equal(model[1].running_mean, torch.zeros(4))
    assert torch.equal(model[1].running_var, torch.ones(4))
