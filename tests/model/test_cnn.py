import pytest
import torch
from torch import nn

from initlab.errors import ConfigError
from initlab.model.cnn import Cnn
from initlab.norm.batch import Batch
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.site import Role


def build(depth=4, width=6, padding_mode="zeros", input_shape=(3, 16, 16), norm=None):
    return Cnn(depth, width, padding_mode, input_shape=input_shape, num_classes=10, norm=norm or NoNorm())


def test_depth_counts_the_convolutions_and_the_first_two_have_stride_2():
    *convs, head = build(depth=5).sites()
    assert [site.stride for site in convs] == [(2, 2), (2, 2), (1, 1), (1, 1), (1, 1)]
    assert [site.shape for site in convs] == [(6, 3, 3, 3)] + [(6, 6, 3, 3)] * 4
    assert [site.role for site in convs] == [Role.STEM] + [Role.HIDDEN] * 4
    assert all(site.relu for site in convs)
    assert head.role is Role.HEAD
    assert head.shape == (10, 6)


@pytest.mark.parametrize("depth", [1, 2])
def test_short_networks_are_allowed(depth):
    assert len(list(build(depth=depth).sites())) == depth + 1


def test_a_32x32_image_is_pooled_from_8x8(rng):
    assert build().hidden(torch.randn(1, 3, 32, 32, generator=rng)).shape == (1, 6, 8, 8)


def test_logits_are_an_affine_map_of_the_mean_over_space(rng):
    model, images = build(depth=2), torch.randn(2, 3, 16, 16, generator=rng)
    first, second, head = (site.layer for site in model.sites())
    torch.testing.assert_close(model(images), head(second(first(images).relu()).relu().mean((2, 3))))


@pytest.mark.parametrize(("shift", "padding_mode", "same"), [(4, "circular", True), (4, "zeros", False)])
def test_circular_padding_makes_the_logits_blind_to_shifts(shift, padding_mode, same, rng):
    model, images = build(padding_mode=padding_mode), torch.randn(2, 3, 16, 16, generator=rng)
    shifted = images.roll((shift, shift), (2, 3))
    assert torch.allclose(model(shifted), model(images), rtol=0, atol=1e-6) is same


def test_a_batch_norm_stands_before_each_relu():
    kinds = [type(module) for module in build(depth=2, norm=Batch()).hidden]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] * 2


def test_the_head_is_never_weight_normalized():
    assert type(build(norm=Weight()).head) is nn.Linear


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"depth": 0}, "model.depth=0"),
        ({"width": 0}, "model.width=0"),
        ({"padding_mode": "same"}, "model.padding_mode=same"),
        ({"input_shape": (20,)}, "model=cnn takes images"),
    ],
)
def test_bad_options_are_refused(options, key):
    with pytest.raises(ConfigError, match=f"^{key}"):
        build(**options)
