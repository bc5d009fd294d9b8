import pytest
import torch

from initlab.model.lenet_strided import LenetStrided
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.site import Role, sites_of


def lenet(shape=(3, 32, 32), widen_factor=1.0, norm=None, **options):
    return LenetStrided(
        "circular",
        widen_factor,
        options.get("scales", False),
        input_shape=shape,
        num_classes=10,
        norm=norm or NoNorm(),
    )


def test_it_has_the_layers_of_the_paper():
    shapes = [site.shape for site in sites_of(lenet())]
    assert shapes == [(6, 3, 5, 5), (16, 6, 5, 5), (120, 1024), (84, 120), (10, 84)]
    assert [site.stride for site in sites_of(lenet())][:2] == [(2, 2), (2, 2)]
    assert sum(p.numel() for p in lenet().parameters()) == 136_886


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (2, 9, 14)])
@pytest.mark.parametrize("widen_factor", [0.5, 2.0])
def test_it_maps_any_image_to_logits(shape, widen_factor):
    assert lenet(shape, widen_factor)(torch.zeros(2, *shape)).shape == (2, 10)


def test_roles_run_from_stem_to_head():
    roles = [site.role for site in sites_of(lenet(norm=Weight(), scales=True))]
    assert roles == [Role.STEM, Role.HIDDEN, Role.HIDDEN, Role.HIDDEN, Role.HEAD]
