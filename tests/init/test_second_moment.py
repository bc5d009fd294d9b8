import copy

import pytest
import torch
from torch import nn

from initlab.errors import ConfigError, Refused
from initlab.init.geometric import Geometric
from initlab.model.mlp import Mlp
from initlab.norm.base import gain_of
from initlab.norm.batch import Batch
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.site import sites_of

BATCH = torch.randn(32, 6, generator=torch.Generator().manual_seed(1))


def network(norm=None, scales=True):
    return Mlp(2, 8, (6,), 3, norm or NoNorm(), layer_scales=scales)


@pytest.mark.parametrize("batch", [BATCH, (BATCH, torch.zeros(32, dtype=torch.long)), BATCH.double()])
def test_the_logits_of_the_batch_have_the_std_asked_for(batch, rng):
    model = network()
    Geometric(output_std=0.05)(model, rng, batch)
    assert float(model(BATCH).detach().std(correction=0)) == pytest.approx(0.05, rel=1e-6)


def test_the_output_scale_is_a_buffer_and_leaves_the_weights_alone(rng):
    scaled, plain = network(), network()
    Geometric(output_std=0.05)(scaled, rng, BATCH)
    Geometric()(plain, torch.Generator().manual_seed(0), None)
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(scaled.get_parameter(name), parameter, rtol=0, atol=0)
    assert float(scaled.output_scale.scale) != 1


def test_initializing_again_starts_from_scales_of_1(rng):
    model = network()
    Geometric(output_std=0.05)(model, rng, BATCH)
    Geometric()(model, rng)
    assert float(model.output_scale.scale) == 1


def test_running_statistics_are_left_alone(rng):
    model = network(Batch())
    Geometric(output_std=0.05)(model, rng, BATCH)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm1d)]
    assert norms
    assert all(int(norm.num_batches_tracked) == 0 for norm in norms)
    assert float(copy.deepcopy(model)(BATCH).detach().std(correction=0)) == pytest.approx(0.05, rel=1e-5)


def test_a_weight_normalized_layer_gets_the_same_effective_weight(rng):
    normalized, plain = network(Weight()), network()
    Geometric()(normalized, rng)
    Geometric()(plain, torch.Generator().manual_seed(0))
    for ours, theirs in zip(sites_of(normalized), sites_of(plain), strict=True):
        torch.testing.assert_close(ours.layer.weight, theirs.layer.weight)
    gain = gain_of(sites_of(normalized)[0].layer)
    torch.testing.assert_close(gain, sites_of(plain)[0].layer.weight.norm(dim=1))


def test_it_works_on_a_plain_module_by_fans_alone(rng):
    model = nn.Sequential(nn.Conv2d(3, 4, 3, groups=1), nn.Flatten(), nn.Linear(16, 2))
    nn.init.constant_(model[0].bias, float("nan"))
    Geometric()(model, rng)
    assert all(bool(p.isfinite().all()) for p in model.parameters())
    assert not model[0].bias.any()


def test_the_need_of_a_batch_follows_the_option(rng):
    assert not Geometric().needs_batch
    assert Geometric(output_std=0.05).needs_batch
    with pytest.raises(Refused, match="needs a batch"):
        Geometric(output_std=0.05)(network(), rng)


def test_it_names_the_model_option_it_misses(rng):
    with pytest.raises(Refused, match=r"init.output_std .* build the model with model.layer_scales=true"):
        Geometric(output_std=0.05)(network(scales=False), rng, BATCH)


@pytest.mark.parametrize("batch", [torch.zeros(4, 6), torch.full((4, 6), float("nan"))])
def test_constant_or_broken_logits_are_refused(batch, rng):
    with pytest.raises(Refused, match="standard deviation"):
        Geometric(output_std=0.05)(network(), rng, batch)


@pytest.mark.parametrize("options", [{"c": 0.0}, {"c": float("nan")}, {"output_std": 0.0}])
def test_constants_must_be_positive(options):
    with pytest.raises(ConfigError, match="must be positive"):
        Geometric(**options)
