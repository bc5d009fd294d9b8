import pytest
import torch
from torch import nn
from torch.func import jacrev

from initlab.errors import ConfigError
from initlab.init import initialize
from initlab.init.n_risotto import NRisotto
from initlab.model.resnet_b import ResnetB
from initlab.model.resnet_c import ResnetC
from initlab.norm.none import NoNorm
from initlab.site import sites_of


def build(network=ResnetC, init="n_risotto", seed=0, width=16, **options) -> nn.Module:
    model = network(
        stages=[6], widths=[width], strides=[1], input_shape=(3, 6, 6), num_classes=5, norm=NoNorm()
    )
    model = model.double()
    initialize(model, init, torch.Generator().manual_seed(seed), **options)
    return model


def deviation(seed: int, noise: float) -> float:
    """Largest |sigma - 1| from the image to the features."""
    rng = torch.Generator().manual_seed(seed)
    inputs = torch.randn(1, 3, 6, 6, dtype=torch.float64, generator=rng)
    model = build(seed=seed, noise=noise)
    jacobian = jacrev(lambda x: model.features(x).flatten())(inputs)
    return (torch.linalg.svdvals(jacobian.reshape(-1, 108)) - 1).abs().max().item()


def test_a_little_noise_leaves_a_near_isometry_and_much_noise_does_not():
    """The median draw: in about one of four some pair breaks (both halves or neither active) even at 1e-4."""
    medians = [sorted(deviation(seed, noise) for seed in range(9))[4] for noise in (1e-4, 1e-2)]
    assert 1e-6 < medians[0] < 2e-3
    assert medians[1] > 0.2


@pytest.mark.parametrize("network", [ResnetB, ResnetC])
def test_the_noise_is_he_normal_on_every_convolution_and_absent_from_the_head(network):
    plain, noisy = build(network, "risotto", width=32), build(network, width=32)
    for one, other in zip(sites_of(plain), sites_of(noisy), strict=True):
        noise = (other.layer.weight - one.layer.weight).flatten()
        if one.name == "head":
            assert noise.isfinite().all()
            continue
        std = 1e-4 * (2 / one.fan_out) ** 0.5
        assert noise.std().item() == pytest.approx(std, rel=5 / (2 * len(noise)) ** 0.5)
        assert abs(noise.mean().item()) < 5 * std / len(noise) ** 0.5


def test_negative_noise_is_refused():
    with pytest.raises(ConfigError, match=r"init\.noise=-1"):
        NRisotto(noise=-1)
