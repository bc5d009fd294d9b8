import torch
from torch import nn

from initlab.model.mlp import Mlp
from initlab.norm.none import NoNorm
from initlab.norm.scaled import Scale, Scaled, bare, scale_of, scaled
from initlab.norm.weight import Weight
from initlab.site import sites_of


def test_a_scaled_layer_multiplies_the_weight_and_not_the_bias():
    layer = nn.Conv2d(3, 4, 3, padding=1)
    multiplied = Scaled(layer)
    inputs = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    multiplied.scale.fill_(0.3)
    bias = layer.bias[:, None, None]
    torch.testing.assert_close(multiplied(inputs), 0.3 * (layer(inputs) - bias) + bias)


def test_scales_are_saved_and_moved_and_not_trained():
    scaled = Scaled(nn.Linear(2, 2)).double()
    assert scaled.scale.dtype == torch.float64
    assert "scale" in scaled.state_dict()
    assert all(name.startswith("layer.") for name, _ in scaled.named_parameters())


def test_scales_start_at_1_and_go_back_to_it():
    scale = Scale()
    inputs = torch.arange(3.0)
    torch.testing.assert_close(scale(inputs), inputs, rtol=0, atol=0)
    scale.scale.fill_(5.0)
    assert scale(inputs)[1] == 5
    scale.reset_parameters()
    torch.testing.assert_close(scale(inputs), inputs, rtol=0, atol=0)


def test_the_gradient_of_the_weight_carries_the_scale():
    scaled, inputs = Scaled(nn.Linear(3, 1, bias=False)), torch.tensor([[1.0, 2.0, 3.0]])
    scaled.scale.fill_(0.5)
    scaled(inputs).sum().backward()
    torch.testing.assert_close(scaled.layer.weight.grad, 0.5 * inputs)


def test_scale_of_finds_the_scale_of_every_site_also_under_weight_norm():
    for norm in (NoNorm(), Weight()):
        model = Mlp(2, 4, (3,), 2, norm, layer_scales=True)
        found = [scale_of(model, site) for site in sites_of(model)]
        assert [scaled.layer for scaled in found] == [site.layer for site in sites_of(model)]


def test_scale_of_is_none_for_a_bare_layer_even_one_called_layer():
    bare = Mlp(2, 4, (3,), 2, NoNorm())
    assert all(scale_of(bare, site) is None for site in sites_of(bare))

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 1)

    plain = Plain()
    assert [scale_of(plain, site) for site in sites_of(plain)] == [None]


def test_a_layer_is_found_again_inside_its_multiplier():
    layer = nn.Linear(2, 2)
    assert scaled(layer, False) is layer
    assert bare(layer) is layer
    assert isinstance(scaled(layer, True), Scaled)
    assert bare(scaled(layer, True)) is layer
