import torch
from torch import nn

from initlab.model.chain import Chain
from initlab.site import Role, sites_of


def chain(scales):
    return Chain(
        [nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU()], nn.Linear(4, 3), scales
    )


def test_sites_come_in_order_with_their_roles_and_true_names():
    for scales in (False, True):
        model = chain(scales)
        sites = sites_of(model)
        assert [site.role for site in sites] == [Role.STEM, Role.HIDDEN, Role.HEAD]
        assert [site.relu for site in sites] == [True, True, False]
        assert all(model.get_submodule(site.name) is site.layer for site in sites)


def test_the_first_layer_may_be_the_head():
    assert [site.role for site in Chain([nn.Flatten()], nn.Linear(6, 3)).sites()] == [Role.HEAD]


def test_scales_of_1_change_nothing_to_the_last_bit():
    plain, scaled = chain(False), chain(True)
    for ours, theirs in zip(scaled.parameters(), plain.parameters(), strict=True):
        ours.data.copy_(theirs.data)
    inputs = torch.randn(2, 1, 2, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(scaled(inputs), plain(inputs), rtol=0, atol=0)


def test_input_and_output_scales_act_where_they_say():
    model = chain(True)
    for site in model.sites():
        nn.init.zeros_(site.layer.bias)
    inputs = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    before = model(inputs)
    model.input_scale.scale.fill_(3.0)
    model.output_scale.scale.fill_(0.5)
    torch.testing.assert_close(model(inputs), 1.5 * before)
