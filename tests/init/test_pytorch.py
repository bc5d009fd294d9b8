import pytest
import torch

from initlab.errors import ConfigError
from initlab.init import initialize
from initlab.init.pytorch import Pytorch
from initlab.model.mlp import Mlp
from initlab.model.wrn import Wrn
from initlab.norm.base import gain_of, parametrization, row_norm
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.site import Role, Site, sites_of
from synthetic import FullyConnectedStage, squared_norm_ratio


def wrn(norm):
    return Wrn(1, 1, 16, 2, "zeros", input_shape=(3, 8, 8), num_classes=3, norm=norm)


def test_plain_layers_are_torchs_own(rng):
    model = wrn(NoNorm())
    initialize(model, Pytorch(), rng)
    for site in sites_of(model):
        bound = site.fan_in**-0.5
        assert float(site.layer.weight.detach().abs().max()) == pytest.approx(bound, rel=0.1)
        assert 0 < float(site.layer.bias.detach().abs().max()) <= bound


@pytest.mark.parametrize("directions", ["orthogonal", "he", "uniform"])
def test_gains_are_the_row_norms_of_v_and_biases_0(directions, rng):
    model = wrn(Weight())
    initialize(model, Pytorch(directions), rng)
    for site in sites_of(model):
        if site.role is not Role.HEAD:
            v = parametrization(site.layer).original1
            torch.testing.assert_close(gain_of(site.layer), row_norm(v).flatten())
            torch.testing.assert_close(site.layer.weight, v)
            assert not bool(site.layer.bias.any())


def test_the_head_is_torchs_own(rng):
    model = wrn(Weight())
    initialize(model, Pytorch(), rng)
    assert 0 < float(model.head.bias.detach().abs().max()) <= 64**-0.5


@pytest.mark.parametrize(("directions", "growth"), [("orthogonal", 1.5), ("he", 3.0)])
@pytest.mark.parametrize("num_blocks", [1, 5])
def test_each_residual_block_multiplies_the_squared_norm(directions, growth, num_blocks, rng):
    """1 + 1/2 and 1 + 1 * 2: a ReLU halves, unit rows keep the squared norm and He's rows double it."""
    model = FullyConnectedStage(num_blocks, width=256, hidden=256)
    initialize(model, Pytorch(directions), rng)
    inputs = torch.randn(100, 256, generator=rng)
    with torch.no_grad():
        ratio = float(squared_norm_ratio(model(inputs), inputs).mean())
    # One draw of one block spreads by about sqrt(5 / 256) = .14 of its share of the growth.
    assert ratio ** (1 / num_blocks) == pytest.approx(growth, rel=0.1)


def test_tall_shortcuts_have_gains_below_1(rng):
    """Columns, not rows, of a tall matrix are orthonormal."""
    model = wrn(Weight())
    initialize(model, Pytorch(), rng)
    for site in sites_of(model):
        if site.role is Role.SHORTCUT:
            gains = gain_of(site.layer).detach()
            assert 0.3 < float(gains.min()) < float(gains.max()) < 0.95
            torch.testing.assert_close(gains.square().mean(), torch.tensor(0.5))


def test_works_without_sites_and_refuses_unknown_directions(rng):
    model = torch.nn.Sequential(Mlp(1, 4, (3,), 2, NoNorm()).hidden)
    initialize(model, Pytorch(), rng)
    assert bool(model[0][1].bias.any())
    with pytest.raises(ConfigError, match=r"^init\.directions=she: must be orthogonal, he or uniform$"):
        Pytorch("she")


def test_uniform_directions_are_torchs_own_draw(rng):
    """Uniform on 1 / sqrt(fan_in), not of the fan_out."""
    for layer in (torch.nn.Conv2d(16, 48, 3), torch.nn.Linear(300, 50)):
        site = Site("layer", layer)
        v = Pytorch("uniform").weight(site, rng)
        assert float(v.abs().max()) == pytest.approx(site.fan_in**-0.5, rel=0.01)
        assert float(v.square().mean()) * site.fan_in == pytest.approx(1 / 3, rel=0.05)
