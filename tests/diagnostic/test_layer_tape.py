"""Recording what layers saw must not depend on how the network treats its activations."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from initlab.diagnostic.layer_tape import forward_passages
from initlab.errors import Refused
from initlab.site import sites_of


def test_outputs_are_those_of_the_layer_even_when_overwritten_later(rng):
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 2))
    inputs = torch.randn(5, 3, generator=rng)
    outputs, passages = forward_passages(net, sites_of(net), inputs)
    torch.testing.assert_close(passages["0"].outputs, net[0](inputs))
    torch.testing.assert_close(passages["2"].inputs, net[0](inputs).relu())
    torch.testing.assert_close(outputs, net(inputs))
    (gradient,) = torch.autograd.grad(outputs.sum(), passages["0"].outputs)
    torch.testing.assert_close(gradient, net[2].weight.sum(0) * (passages["0"].outputs > 0))


def test_an_input_that_is_overwritten_is_refused(rng):
    class Overwrites(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, inputs):
            hidden = inputs * 2
            return self.layer(hidden) + F.relu(hidden, inplace=True)

    net = Overwrites()
    with pytest.raises(Refused, match=r"the input of layer Linear\(3, 3\) is overwritten"):
        forward_passages(net, sites_of(net), torch.randn(5, 3, generator=rng))
    assert not net.layer._forward_hooks
    assert net.layer.weight.requires_grad


def test_a_convolution_that_does_not_see_one_map_per_sample_is_refused(rng):
    from initlab.diagnostic.gr_scaling import GrScaling

    class Folds(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, inputs):
            return self.conv(inputs.flatten(0, 1)[:, None]).unflatten(0, inputs.shape[:2]).mean((1, 3, 4))

    batch = torch.randn(4, 3, 5, 5, generator=rng), torch.randint(2, (4,), generator=rng)
    with pytest.raises(Refused, match=r"conv Conv\(1, 2, 3x3\) sees 12 maps for 4 samples"):
        GrScaling()(Folds(), batch, rng)
