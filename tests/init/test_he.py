import pytest
import torch
from torch import nn

from initlab.errors import ConfigError
from initlab.init import initialize
from initlab.init.he import He
from initlab.model.mlp import Mlp
from initlab.norm.none import NoNorm
from initlab.site import Site
from synthetic import squared_norm_ratio


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 32 * 9), ("fan_out", 64 * 9)])
def test_the_second_moment_is_2_over_the_fan(distribution, mode, fan, rng):
    weight = He(distribution, mode).weight(Site("layer", nn.Conv2d(32, 64, 3)), rng)
    # 18432 entries: the relative standard error of their second moment is at most 1%.
    assert float(weight.square().mean()) * fan == pytest.approx(2, rel=0.04)


def test_normal_and_uniform_differ_in_their_tails(rng):
    site = Site("layer", nn.Linear(100, 100))
    normal, uniform = (He(kind).weight(site, rng) for kind in ("normal", "uniform"))
    assert float(uniform.abs().max()) <= (6 / 100) ** 0.5 < float(normal.abs().max())


def mean_ratio(mode, rng):
    """Mean squared output over mean squared input of ten ReLU layers of growing width."""
    model = Mlp(10, list(range(110, 310, 20)), input_shape=(100,), num_classes=2, norm=NoNorm())
    ratios = []
    for _ in range(20):
        initialize(model, He(mode=mode), rng)
        inputs = torch.randn(50, 100, generator=rng)
        with torch.no_grad():
            ratios.append(squared_norm_ratio(model.hidden(inputs), inputs).mean() * 100 / 290)
    return float(torch.stack(ratios).mean())


def test_fan_in_keeps_the_second_moment_of_the_units(rng):
    # One draw spreads by about sqrt(10 * 5 / 200) = .5, the mean of 20 by .11.
    assert mean_ratio("fan_in", rng) == pytest.approx(1, abs=0.35)


def test_fan_out_does_not_where_widths_grow(rng):
    assert mean_ratio("fan_out", rng) < 0.6  # telescopes to 100 / 290


def test_sets_the_head_too(rng):
    model = Mlp(1, 300, input_shape=(10,), num_classes=50, norm=NoNorm())
    initialize(model, "he", rng)
    assert float(model.head.weight.detach().square().mean()) * 300 == pytest.approx(2, rel=0.05)
    assert not bool(model.head.bias.any())


def test_works_on_a_plain_module(rng):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    initialize(model, "he", rng)
    assert not bool(model[0].bias.any())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"distribution": "cauchy"}, "init.distribution=cauchy: must be normal or uniform"),
        ({"mode": "fan_avg"}, "init.mode=fan_avg: must be fan_in or fan_out"),
    ],
)
def test_bad_options_are_refused(options, sentence):
    with pytest.raises(ConfigError, match=f"^{sentence}$"):
        He(**options)
