"""SkipInit and ReZero: blocks that start as their skip, and which parameters move first."""

from typing import Any

import pytest
import torch
from torch import nn

from initlab.errors import ConfigError, Refused
from initlab.init import initialize
from initlab.init.skipinit import Skipinit
from initlab.model.resnet_b import ResnetB
from initlab.model.resnet_c import ResnetC
from initlab.norm.none import NoNorm
from initlab.site import Role, sites_of


def network(kind: type[ResnetB] | type[ResnetC], **options: Any) -> ResnetB | ResnetC:
    values: dict[str, Any] = {"stages": [1, 2], "widths": [8, 16], **options}
    return kind(**values, input_shape=(3, 8, 8), num_classes=10, norm=NoNorm())


@pytest.mark.parametrize("init", ["skipinit", "rezero"])
@pytest.mark.parametrize("kind", [ResnetB, ResnetC])
@pytest.mark.parametrize("preact", [False, True])
def test_branch_weights_have_zero_gradient_at_the_first_step_and_scales_have_not(
    init: str, kind: type[ResnetB], preact: bool, rng: torch.Generator
) -> None:
    model = network(kind, preact=preact)
    initialize(model, init, generator=rng)
    loss = nn.functional.cross_entropy(model(torch.randn(5, 3, 8, 8, generator=rng)), torch.arange(5))
    loss.backward()
    for site in sites_of(model):
        moves = bool(site.layer.weight.grad.any())
        assert moves is (site.role is not Role.BRANCH), site.name
        assert bool(site.layer.weight.any())
        if site.role is Role.BRANCH and site.unit is not None:
            alpha: Any = site.unit.alpha
            assert float(alpha.detach()) == 0
            assert bool(alpha.grad)


def test_a_network_of_projections_starts_as_a_chain_of_linear_layers_and_relus(rng: torch.Generator) -> None:
    model = network(ResnetC)
    initialize(model, "skipinit", generator=rng)
    images = torch.randn(2, 3, 8, 8, generator=rng)
    hidden = model.stem(images).relu()
    for site in sites_of(model):
        if site.role is Role.SHORTCUT:
            hidden = site.layer(hidden).relu()
    torch.testing.assert_close(model.features(images), hidden)


def test_identity_blocks_start_as_the_identity(rng: torch.Generator) -> None:
    model = network(ResnetB, stages=[3])
    initialize(model, "skipinit", generator=rng)
    images = torch.randn(2, 3, 8, 8, generator=rng)
    torch.testing.assert_close(model.features(images), model.stem(images).relu())
    initialize(model, "he", generator=rng)  # the control
    assert not torch.allclose(model.features(images), model.stem(images).relu(), rtol=0.1)


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_weights_are_hes_by_fan_out(distribution: str, rng: torch.Generator) -> None:
    model = network(ResnetB, widths=[16, 32])
    initialize(model, "skipinit", generator=rng, distribution=distribution)
    for site in sites_of(model)[1:-1]:
        ratio = float(site.layer.weight.detach().square().mean()) * site.fan_out / 2
        assert ratio == pytest.approx(1, abs=5 * (2 / site.layer.weight.numel()) ** 0.5)
        bounded = float(site.layer.weight.detach().abs().max()) <= (6 / site.fan_out) ** 0.5
        assert bounded is (distribution == "uniform")


def test_refusals_name_the_option(rng: torch.Generator) -> None:
    for init, called in (("skipinit", "SkipInit"), ("rezero", "ReZero")):
        with pytest.raises(Refused, match=rf"{called} sets a learned .*model\.learn_residual_scale=true"):
            initialize(network(ResnetC, learn_residual_scale=False), init, generator=rng)
    with pytest.raises(ConfigError, match=r"init\.distribution=cauchy"):
        Skipinit(distribution="cauchy")  # type: ignore[arg-type]
