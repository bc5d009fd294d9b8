import pytest
import torch
from torch import nn

from initlab.init.geometric import Geometric
from initlab.init.preconditioned import Preconditioned
from initlab.model.alexnet_strided import AlexnetStrided
from initlab.norm.none import NoNorm
from initlab.site import sites_of


def alexnet(widen_factor=1.0, scales=False, num_classes=10):
    return AlexnetStrided("circular", widen_factor, scales, (3, 32, 32), num_classes, NoNorm())


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
