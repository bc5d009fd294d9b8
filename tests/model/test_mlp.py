import torch

from initlab.model.mlp import Mlp
from initlab.norm.none import NoNorm
from initlab.site import sites_of


def test_widths_may_differ_by_layer():
    model = Mlp(2, [384, 64], (20,), 5, NoNorm())
    assert [site.shape for site in sites_of(model)] == [(384, 20), (64, 384), (5, 64)]


def test_layer_norm_makes_logits_blind_to_the_scale_and_offset_of_an_input():
    inputs = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    for layer_norm, blind in ((True, True), (False, False)):
        model = Mlp(2, 8, (2, 3, 3), 5, NoNorm(), layer_norm_input=layer_norm)
        same = torch.allclose(model(3 * inputs + 1), model(inputs), atol=1e-4)
        assert same == blind
        assert len(list(model.parameters())) == 6  # nothing is learned on the input
