"""Normalizer-free residual networks: the variance follows the recursion that the network divides by."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from initlab.errors import ConfigError, Refused
from initlab.init import initialize
from initlab.init.nf_resnet import NfResnet
from initlab.model.resnet_b import ResnetB
from initlab.model.resnet_c import ResnetC
from initlab.norm.none import NoNorm
from initlab.norm.scaled_weight_standardization import ScaledWeightStandardization
from initlab.site import Role, sites_of


def network(kind: type[ResnetB] | type[ResnetC] = ResnetB, **options: Any) -> ResnetB | ResnetC:
    values: dict[str, Any] = {
        "residual_scale": 0.2,
        "scale_branch_input": True,
        "norm": ScaledWeightStandardization(),
        "stages": [4, 4],
        "widths": [64, 96],
        **options,
    }
    return kind(**values, input_shape=(3, 16, 16), num_classes=10)


def variances(model: ResnetB | ResnetC, rng: torch.Generator) -> list[float]:
    """Second moments of every block's sum z over that of the stem's, from those of relu(z) if need be."""
    found: list[float] = []
    with torch.no_grad():
        stem = model.stem(torch.randn(16, 3, 16, 16, generator=rng))
        stream = stem if model.preact else stem.relu()
        for stage in model.stages:
            for block in stage:
                stream = block(stream)
                found.append(float(stream.square().mean()) * (1 if model.preact else 2))
    return [value / float(stem.square().mean()) for value in found]


def interior(model: nn.Module) -> None:
    """Pad around the edges, so that no variance is lost at the border."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.padding != (0, 0):
            module.padding_mode = "circular"
            module._reversed_padding_repeated_twice = [1, 1, 1, 1]


def test_the_network_divides_by_the_recursion() -> None:
    model = network(stages=[3, 2])
    stds = [block.input_std for stage in model.stages for block in stage]
    expected = [1, 1.04, 1.08, 1.12, 1.04]  # the projection of the second stage resets to 1 + .04
    assert [std**2 for std in stds] == pytest.approx(expected, abs=1e-12)


def mean_variances(seeds: int, kind: type[ResnetB] | type[ResnetC] = ResnetB, **options: Any) -> Tensor:
    found = []
    for seed in range(seeds):
        rng = torch.Generator().manual_seed(seed)
        model = network(kind, **options)
        interior(model)
        initialize(model, "nf_resnet", generator=rng)
        found.append(variances(model, rng))
    return torch.tensor(found).mean(0)


def test_the_variance_of_the_stream_follows_the_recursion() -> None:
    expected = torch.tensor([1.04, 1.08, 1.12, 1.16, 1.04, 1.08, 1.12, 1.16])
    found = mean_variances(3, preact=True)
    torch.testing.assert_close(found[:4], expected[:4], rtol=0.02, atol=0)
    # the projection is one draw of 64 to 96 channels, whose variance has a relative standard error of 2 %
    torch.testing.assert_close(found[4:], expected[4:], rtol=0.06, atol=0)


def test_projections_at_every_skip_keep_the_variance() -> None:
    found = mean_variances(3, ResnetC, stages=[4])
    torch.testing.assert_close(found, torch.full((4,), 1.04), rtol=0.12, atol=0)


def test_with_gain_one_the_branches_hardly_count() -> None:  # the control
    found = mean_variances(1, preact=True, norm=ScaledWeightStandardization(gain=1.0))
    assert found[3] < 1.04


def test_the_distribution_is_that_of_the_raw_weights(rng: torch.Generator) -> None:
    for distribution, kurtosis in (("normal", 3.0), ("uniform", 1.8)):
        model = network()
        initialize(model, "nf_resnet", generator=rng, distribution=distribution)
        weight = model.stages[1][1].convs[0].weight.detach()
        assert float((weight**4).mean() / weight.square().mean() ** 2) == pytest.approx(kurtosis, rel=0.03)


def test_refusals_name_the_option(rng: torch.Generator) -> None:
    for options, sentence in (
        ({"norm": NoNorm()}, "NfResnet needs standardized weights and stem .*norm=scaled_weight_standard"),
        ({"residual_scale": 1.0}, r"has scales 1 and 1: .*model\.residual_scale=0\.2"),
        ({"skip_scale": 0.5}, r"has scales 0\.2 and 0\.5: .*model\.skip_scale=1"),
        ({"scale_branch_input": False}, r"1\.0198 at stages\.0\.1.*model\.scale_branch_input=true"),
    ):
        with pytest.raises(Refused, match=sentence):
            initialize(network(**options), "nf_resnet", generator=rng)
    with pytest.raises(ConfigError, match=r"init\.distribution=cauchy"):
        NfResnet(distribution="cauchy")  # type: ignore[arg-type]


def test_projections_everywhere_reset_at_every_block(rng: torch.Generator) -> None:
    model = network(ResnetC)
    initialize(model, "nf_resnet", generator=rng)
    stds = [block.input_std**2 for stage in model.stages for block in stage]
    assert stds == pytest.approx([1] + [1.04] * 7)
    assert sum(site.role is Role.SHORTCUT for site in sites_of(model)) == 8
