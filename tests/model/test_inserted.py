"""Which layers keep the GR scaling of a balanced network: Defazio & Bottou, Table 1."""

import math

import pytest
import torch

from initlab.diagnostic.gr_scaling import GrScaling
from initlab.errors import ConfigError
from initlab.init.fan_in import FanIn
from initlab.init.geometric import Geometric
from initlab.model.inserted import KINDS, Inserted
from initlab.norm.none import NoNorm


def spread(insert, init=None, draws=3):
    """Geometric mean over draws of the largest over the smallest GR scaling."""
    logs = []
    for seed in range(draws):
        rng = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        model = Inserted(insert, 32, input_shape=(16, 8, 8), num_classes=10, norm=NoNorm())
        (init or Geometric())(model, rng)
        batch = torch.randn(32, 16, 8, 8, generator=rng), torch.zeros(32, dtype=torch.long)
        found = GrScaling(loss="random_quadratic", actual_samples=0)(model, batch, rng)
        logs.append(math.log(found.metrics()["gr_scaling/spread"]))
    return math.exp(sum(logs) / draws)


def test_layers_that_keep_the_scaling_leave_a_balanced_network_balanced_and_others_do_not():
    """The bounds stand between what a few draws of this size give: 1.7 to 1.9, and 12 for a sigmoid."""
    for insert in ("none", "linear", "strided_conv", "dropout"):
        assert spread(insert) < 2.4, insert
    assert spread("sigmoid") > 6
    assert spread("none", FanIn()) > 4  # the control: 16, 32, 32, 10 channels


@pytest.mark.parametrize("insert", KINDS)
def test_every_kind_gives_logits_and_lists_its_layers(insert):
    model = Inserted(insert, 8, input_shape=(3, 8, 8), num_classes=5, norm=NoNorm())
    assert model(torch.randn(2, 3, 8, 8)).shape == (2, 5)
    convs = {id(m) for m in model.modules() if isinstance(m, torch.nn.Conv2d)}
    assert {id(site.layer) for site in model.sites()} == convs


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match=r"^model.insert=x: must be one of none, linear"):
        Inserted("x", 8, input_shape=(3, 8, 8), num_classes=5, norm=NoNorm())
