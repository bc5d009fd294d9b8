from functools import partial

import pytest
import torch
from torch import nn
from torchvision.models import resnet18, resnet50

from initlab.errors import ConfigError
from initlab.init import draw
from initlab.init.isometry import delta
from initlab.model.residual_block import ResidualBlock
from initlab.model.resnet_b import ResnetB
from initlab.model.resnet_c import ResnetC
from initlab.norm.base import set_weight_
from initlab.norm.batch import Batch
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.site import LAYERS, Role, sites_of

tiny = {"stages": [2, 1], "widths": [8, 12], "input_shape": (3, 8, 8), "num_classes": 5}
FORMS = [
    {},
    {"preact": True},
    {"block": "bottleneck"},
    {"preact": True, "block": "bottleneck", "projects_raw": True},
    {"stem": "imagenet"},
    {"scalar_biases": True, "bias": False},
    {"scalar_biases": True, "preact": True},
]


def blocks_of(model: nn.Module) -> list[ResidualBlock]:
    return [module for module in model.modules() if isinstance(module, ResidualBlock)]


@pytest.mark.parametrize(("depth", "reference"), [(18, resnet18), (50, resnet50)])
def test_type_b_with_batch_norm_and_imagenet_stem_is_torchvisions_resnet(depth, reference):
    expected = reference(num_classes=7)
    model = ResnetB(
        depth,
        stem="imagenet",
        bias=False,
        learn_residual_scale=False,
        input_shape=(3, 64, 64),
        num_classes=7,
        norm=Batch(),
    )
    for kind in (nn.Conv2d, nn.BatchNorm2d, nn.Linear):
        ours, theirs = ([m for m in net.modules() if isinstance(m, kind)] for net in (model, expected))
        if kind is nn.Conv2d:
            ours = [site.layer for site in sites_of(model) if isinstance(site.layer, kind)]
        for one, other in zip(ours, theirs, strict=True):
            one.load_state_dict(other.state_dict())
    inputs = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(model.eval()(inputs), expected.eval()(inputs))


@pytest.mark.parametrize("network", [ResnetB, ResnetC])
@pytest.mark.parametrize("options", FORMS)
@pytest.mark.parametrize("norm", [NoNorm(), Batch(), Weight()])
def test_every_parameter_gets_a_gradient_and_every_layer_is_listed_once(network, options, norm):
    model = network(**tiny, **options, norm=norm)
    model(torch.randn(2, 3, 8, 8)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    layers = {id(module) for module in model.modules() if isinstance(module, LAYERS)}
    assert {id(site.layer) for site in sites_of(model)} == layers
    assert all(model.get_submodule(site.name) is site.layer for site in sites_of(model))


def test_sites_tell_the_place_of_each_layer():
    sites = {site.name: site for site in sites_of(ResnetC(**tiny, norm=NoNorm()))}
    first, last = sites["stages.0.1.convs.0"], sites["stages.0.1.convs.1"]
    assert (first.role, first.relu, first.last_in_branch) == (Role.BRANCH, True, False)
    assert (last.relu, last.last_in_branch, last.stage, last.block, last.num_blocks) == (False, True, 0, 1, 2)
    assert sites["stages.1.0.shortcut"].role is Role.SHORTCUT
    assert sites["stem"].relu is True
    preact = sites_of(ResnetC(**tiny, preact=True, norm=NoNorm()))
    assert preact[0].relu is False


def test_the_300_and_2000_layer_networks_have_the_papers_number_of_layers():
    build = partial(
        ResnetC, block="bottleneck", bias=False, input_shape=(3, 32, 32), num_classes=100, norm=NoNorm()
    )
    with torch.device("meta"):
        medium = build(stages=[9, 12, 69, 9])
        deep = build(stages=[60, 80, 460, 60], widths=[16, 32, 64, 128])
    convs = [sum(site.role is not Role.SHORTCUT for site in sites_of(net)) for net in (medium, deep)]
    assert convs == [299, 1982]
    assert round(sum(p.numel() for p in deep.parameters()) / 1e6) == 98


def test_type_b_projects_only_where_sizes_change_and_type_c_always():
    options = tiny | {"stages": [2, 2], "strides": [1, 2]}
    projects = [
        [block.shortcut is not None for block in blocks_of(network(**options, norm=NoNorm()))]
        for network in (ResnetB, ResnetC)
    ]
    assert projects == [[False, False, True, False], [True] * 4]


def test_branch_inputs_are_divided_by_the_expected_standard_deviation():
    options = tiny | {"stages": [3, 2], "scale_branch_input": True, "residual_scale": 0.2}
    model = ResnetB(**options, norm=NoNorm())
    variances = [block.input_std**2 for block in blocks_of(model)]
    assert variances == pytest.approx([1, 1.04, 1.08, 1.12, 1.04])


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"depth": 20, "stages": None}, "model.depth=20"),
        ({"depth": 18}, "give one of them"),
        ({"stages": []}, "model.stages"),
        ({"stages": [0]}, "model.stages=0"),
        ({"stages": [1] * 5}, "model.widths"),
        ({"stages": [1] * 5, "widths": [8] * 5}, "model.strides"),
        ({"block": "wide"}, "model.block=wide"),
        ({"stem": "mnist"}, "model.stem=mnist"),
        ({"input_shape": (12,)}, "images"),
        ({"scalar_biases": True, "learn_residual_scale": False}, "learn_residual_scale"),
    ],
)
def test_a_wrong_option_is_named(options, key):
    with pytest.raises(ConfigError, match=key):
        ResnetC(**(tiny | options), norm=NoNorm())


def fully_connected(width: int, a: float, b: float, num_blocks: int) -> ResnetC:
    """A Type C network on images of one pixel, where a 3x3 conv is the matrix at its middle tap."""
    return ResnetC(
        stages=[num_blocks],
        widths=[width],
        residual_scale=a,
        skip_scale=b,
        input_shape=(width, 1, 1),
        num_classes=2,
        norm=NoNorm(),
    )


@torch.no_grad()
def states(model: ResnetC, inputs: torch.Tensor, gain: float, rng: torch.Generator) -> list[torch.Tensor]:
    """Draw normal weights of variance ``gain / fan_out`` and return x after the stem and after each block."""
    for site in sites_of(model):
        std = (gain / site.out_channels) ** 0.5
        set_weight_(site.layer, delta(draw.normal(site.shape[:2], std, rng), site.kernel_size))
        site.layer.bias is None or site.layer.bias.zero_()
    x = torch.relu(model.stem(inputs[:, :, None, None]))
    found = [x.flatten(1)]
    for block in blocks_of(model):
        x = block(x)
        found.append(x.flatten(1))
    return found


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (0.5**0.5, 0.5**0.5), (0.5, 1.0)])
def test_fan_out_variance_multiplies_the_squared_norm_by_the_sum_of_squared_scales(a, b, rng):
    """Thm 2.3: E||x^L||^2 = (a^2 + b^2)^L ||x||^2 with variance 2 / fan_out; gain 1 is the control."""
    model = fully_connected(128, a, b, num_blocks=4)
    inputs = torch.randn(64, 128, generator=rng)
    ratios, control = (
        torch.stack(
            [
                torch.stack([(x**2).sum() / (inputs**2).sum() for x in states(model, inputs, gain, rng)])
                for _ in range(12)
            ]
        ).mean(dim=0)
        for gain in (2.0, 1.0)
    )
    expected = (a**2 + b**2) ** torch.arange(5.0)
    # One draw deviates by about sqrt(5 / 128) per layer: 3 standard errors of 12 draws and 12 layers.
    assert ((ratios / expected).log().abs() < 0.3).all(), ratios
    assert (control / expected)[-1] < 0.1


def kappa(r: torch.Tensor) -> torch.Tensor:
    """Cosine of relu(z) and relu(z~) for normal z, z~ of correlation r (arc-cosine kernel of order 1)."""
    return ((1 - r**2).sqrt() + r * (torch.pi - r.acos())) / torch.pi


def test_the_constant_of_lemma_a3_is_no_bound():
    """E[relu(z) relu(z~)] >= rho / 4 + c holds with c = 1 / (2 pi), at rho = 0, and not with 0.24."""
    rho = torch.linspace(-1, 1, 2001, dtype=torch.float64)
    above = kappa(rho) / 2 - rho / 4
    assert above.min().item() == pytest.approx(1 / (2 * torch.pi), abs=1e-12)
    assert rho[above.argmin()].item() == pytest.approx(0, abs=1e-12)
    assert rho[above < 0.24].abs().max().item() == pytest.approx(0.954, abs=2e-3)


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (0.0, 1.0)])
def test_cosines_follow_the_arc_cosine_recursion_and_not_the_bound_of_the_paper(a, b, rng):
    """Exact infinite-width law in place of Thm 2.5, whose constant is no bound (``docs/errata.md``)."""
    width, rho_in = 512, torch.tensor(0.1396)
    model = fully_connected(width, a, b, num_blocks=5)
    base, other = (torch.linalg.qr(torch.randn(2, 16, width, generator=rng).mT)[0].mT)[:, :8]
    mixed = rho_in * base + (1 - rho_in**2).sqrt() * (other - (other * base).sum(1, keepdim=True) * base)
    cosines = torch.stack(
        [
            torch.stack(
                [
                    torch.cosine_similarity(*x.chunk(2)).mean()
                    for x in states(model, torch.cat([base, mixed]), 2.0, rng)
                ]
            )
            for _ in range(6)
        ]
    ).mean(dim=0)
    expected = [kappa(rho_in)]
    for _ in range(5):
        expected.append(kappa((a**2 * kappa(expected[-1]) + b**2 * expected[-1]) / (a**2 + b**2)))
    published = {1.0: [0.3912, 0.5858, 0.6965, 0.7666, 0.8143, 0.8483], 0.0: [0.3912, 0.5386, 0.635, 0.7025]}
    assert torch.stack(expected)[: len(published[a])].tolist() == pytest.approx(published[a], abs=1e-4)
    assert (cosines - torch.stack(expected)).abs().max() < 0.02, cosines
