from math import prod

import pytest
import torch
from torch import nn

from initlab.errors import ConfigError, Refused
from initlab.init import initialize
from initlab.init.hanin import Hanin
from initlab.init.proposed import Proposed
from initlab.model.wrn import Wrn
from initlab.norm.base import gain_of
from initlab.norm.weight import Weight
from initlab.site import Role, Site, sites_of
from synthetic import FullyConnectedStage, squared_norm_ratio


def wrn(num_blocks=6, convs_per_block=2):
    return Wrn(num_blocks, 1, 16, convs_per_block, input_shape=(3, 8, 8), num_classes=3, norm=Weight())


def test_the_last_gain_of_each_branch_falls_by_nine_tenths_and_starts_again_in_each_stage(rng):
    model = wrn()
    initialize(model, Hanin(), rng)
    gains = [gain_of(site.layer).detach() for site in model.sites() if site.last_in_branch]
    expected = [0.9, 0.81, 0.729, 0.6561, 0.59049, 0.531441] * 3
    for gain, value in zip(gains, expected, strict=True):
        torch.testing.assert_close(gain, torch.full_like(gain, value))


def test_where_the_last_layer_widens_the_ratio_of_fans_enters(rng):
    model = wrn(num_blocks=1, convs_per_block=1)
    initialize(model, Hanin(), rng)
    gains = [float(gain_of(site.layer)[0].detach()) for site in model.sites() if site.last_in_branch]
    assert gains == pytest.approx([0.9, 0.9 * 0.5**0.5, 0.9 * 0.5**0.5])


def test_all_else_is_as_proposed():
    hanin, proposed = wrn(2), wrn(2)
    initialize(hanin, Hanin(), torch.Generator().manual_seed(3))
    initialize(proposed, Proposed(), torch.Generator().manual_seed(3))
    for ours, theirs in zip(sites_of(hanin), sites_of(proposed), strict=True):
        if not ours.last_in_branch:
            assert torch.equal(ours.layer.weight, theirs.layer.weight)
            assert torch.equal(ours.layer.bias, theirs.layer.bias)


def stage_growth(num_blocks):
    return prod(1 + 0.81**block for block in range(1, num_blocks + 1))


def test_the_growth_of_long_stages_stays_below_36():
    assert [stage_growth(n) for n in (6, 16, 166)] == pytest.approx([11.358, 30.571, 35.3506], rel=1e-4)


def test_a_stage_multiplies_the_squared_norm_by_the_product_of_its_blocks(rng):
    model = FullyConnectedStage(6, width=256, hidden=256)
    initialize(model, Hanin(), rng)
    inputs = torch.randn(100, 256, generator=rng)
    with torch.no_grad():
        ratio = float(squared_norm_ratio(model(inputs), inputs).mean())
    # Six blocks of width 256, each with a spread of about .14 times its share: .2 in all.
    assert ratio == pytest.approx(stage_growth(6), rel=0.3)
    assert ratio > 2 * (1 + 1 / 6) ** 6  # what the proposed gains would give, and more


def test_the_block_must_be_known(rng):
    layer = Weight().wrap(nn.Linear(3, 3))
    with pytest.raises(Refused, match="which block of its stage holds layer"):
        Hanin().gain(Site("layer", layer, Role.BRANCH, relu=False, num_blocks=3))


@pytest.mark.parametrize("decay", [0, 1.1])
def test_a_decay_is_a_positive_fraction(decay):
    with pytest.raises(ConfigError, match=rf"^init.decay={decay}: must be in \(0, 1\]$"):
        Hanin(decay=decay)
