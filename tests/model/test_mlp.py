import pytest
import torch
from torch import nn

from initlab.errors import ConfigError
from initlab.model.mlp import Mlp
from initlab.norm.batch import Batch
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.site import Role


def build(depth=3, width=7, input_shape=(2, 3), num_classes=4, norm=None):
    return Mlp(depth, width, input_shape=input_shape, num_classes=num_classes, norm=norm or NoNorm())


def test_depth_counts_the_hidden_layers():
    shapes = [site.shape for site in build(depth=3, width=7).sites()]
    assert shapes == [(7, 6), (7, 7), (7, 7), (4, 7)]


def test_widths_can_be_listed():
    shapes = [site.shape for site in build(depth=2, width=[5, 8]).sites()]
    assert shapes == [(5, 6), (8, 5), (4, 8)]


def test_the_first_layer_is_the_stem_and_the_last_the_head():
    sites = list(build().sites())
    assert [site.role for site in sites] == [Role.STEM, Role.HIDDEN, Role.HIDDEN, Role.HEAD]
    assert [site.relu for site in sites] == [True, True, True, False]


def test_computes_relu_of_affine_maps(rng):
    model = build(depth=2)
    inputs = torch.randn(5, 2, 3, generator=rng)
    stem, hidden, head = (site.layer for site in model.sites())
    torch.testing.assert_close(model(inputs), head(hidden(stem(inputs.flatten(1)).relu()).relu()))


def test_a_batch_norm_stands_before_each_relu():
    kinds = [type(module) for module in build(depth=2, norm=Batch()).hidden]
    assert kinds == [nn.Flatten, *[nn.Linear, nn.BatchNorm1d, nn.ReLU] * 2]


def test_the_head_is_never_weight_normalized():
    assert type(build(norm=Weight()).head) is nn.Linear


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"depth": 0}, "model.depth=0: must be a positive whole number"),
        ({"width": 0}, "model.width=0: must be a positive whole number"),
        ({"depth": 2, "width": [3, 0]}, "model.width=0: must be a positive whole number"),
        ({"depth": 3, "width": [4, 4]}, "model.width names 2 layers and model.depth=3: they must agree"),
    ],
)
def test_bad_sizes_are_refused(options, sentence):
    with pytest.raises(ConfigError, match=f"^{sentence}$"):
        build(**options)


def test_layer_norm_makes_logits_blind_to_the_scale_and_offset_of_an_input(rng):
    inputs = torch.randn(4, 2, 3, generator=rng)
    for layer_norm in (True, False):
        model = Mlp(2, 8, (2, 3), 5, NoNorm(), layer_norm_input=layer_norm)
        blind = torch.allclose(model(3 * inputs + 1), model(inputs), atol=1e-4)
        assert blind == layer_norm
        assert len(list(model.parameters())) == 6  # nothing is learned on the input
