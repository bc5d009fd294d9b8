import pytest
import torch
from torch import nn

from gr_scaling import gr_scalings, mean_relative
from initlab.init.geometric import Geometric
from initlab.init.preconditioned import Preconditioned
from initlab.model.alexnet_strided import AlexnetStrided
from initlab.norm.none import NoNorm
from initlab.site import sites_of


def alexnet(widen_factor=1.0, scales=False, num_classes=10):
    return AlexnetStrided(
        "circular", widen_factor, scales, input_shape=(3, 32, 32), num_classes=num_classes, norm=NoNorm()
    )


def test_it_has_the_parameters_of_the_papers_network():
    with torch.device("meta"):
        model = alexnet(scales=True)
    count = sum(p.numel() for p in model.parameters())
    convolutions = sum(p.numel() for m in model.modules() if isinstance(m, nn.Conv2d) for p in m.parameters())
    assert (count, convolutions) == (20_344_650, 2_469_696)


def test_geometric_gives_the_standard_deviations_of_the_table():  # c = 2
    with torch.device("meta"):
        sites = sites_of(alexnet())
    found = [Geometric().second_moment(site) ** 0.5 for site in sites]
    expected = [0.03454, 0.02686, 0.02861, 0.02662, 0.02946, 0.04419, 0.02210, 0.09941]
    assert found == pytest.approx(expected, abs=6e-6)


def test_preconditioning_multiplies_the_standard_deviations_by_the_root_of_the_kernel_size(rng):
    model = alexnet(widen_factor=0.25, scales=True)
    Preconditioned(output_std=None)(model, rng)
    for site, kernel in zip(sites_of(model), (11, 5, 3, 3, 3, 1, 1, 1), strict=True):
        expected = (kernel * Geometric().second_moment(site)) ** 0.5
        relative_error = (0.5 / site.layer.weight.numel()) ** 0.5  # of a standard deviation
        assert float(site.layer.weight.detach().std()) == pytest.approx(expected, rel=5 * relative_error)


def test_spatial_sides_are_those_of_the_paper():
    model, sides = alexnet(widen_factor=0.05), []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda m, args, output: sides.append(output.shape[-1]))
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert sides == [32, 16, 8, 8, 8]


def test_the_second_moment_telescopes_through_the_convolutions_of_alexnet():  # Sec. 6.4
    model = AlexnetStrided("circular", 1.0, False, input_shape=(3, 32, 32), num_classes=2, norm=NoNorm())
    generator = torch.Generator().manual_seed(0)
    for site in sites_of(model)[:5]:
        with torch.no_grad():
            site.layer.weight.copy_(Geometric().weight(site, generator))
            site.layer.bias.zero_()
    images = torch.randn(4, 3, 32, 32, generator=generator)
    with torch.no_grad():
        ratio = float(model.hidden[:10](images).square().mean() / images.square().mean())
    assert pytest.approx(0.10825, abs=5e-6) == (3 / 256) ** 0.5
    assert ratio == pytest.approx((3 / 256) ** 0.5, rel=0.35)


@pytest.mark.slow
def test_preconditioning_balances_the_convolutions_and_leaves_the_gap_of_average_pooling():
    # C.6: 3.50, .71, .25, .25, .21 | 1.22, 1.25, 1 relative to the head; standard error 0.11 over 4 seeds.
    model, shape = alexnet(scales=True).double(), (6, 3, 32, 32)
    plain = mean_relative(model, Geometric(), shape, gr_scalings, 4, relative_to=7)[0]
    assert plain.tolist() == pytest.approx([3.50, 0.71, 0.25, 0.25, 0.21, 1.22, 1.25, 1], rel=0.35)
    ours = mean_relative(model, Preconditioned(output_std=None), shape, gr_scalings, 4, relative_to=7)[0]
    assert ours[:5].tolist() == pytest.approx([float(ours[0])] * 5, rel=0.35)
    assert ours[5:].tolist() == pytest.approx([1.0] * 3, rel=0.35)
    assert 25 < float(1 / ours[:5].mean()) < 60
