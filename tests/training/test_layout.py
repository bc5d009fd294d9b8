import pytest
import torch
from torch import nn

from initlab.model.cnn import Cnn
from initlab.model.mlp import Mlp
from initlab.model.wrn import Wrn
from initlab.norm.batch import Batch
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.training.layout import layout

IMAGES = {"input_shape": (3, 8, 8), "num_classes": 4}


def innermost(tensor):
    return tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


@pytest.mark.parametrize("norm", [NoNorm(), Weight(), Batch()])
def test_the_layout_reaches_the_last_convolution_and_changes_values_by_rounding(norm, rng):
    network = Wrn(num_blocks=1, norm=norm, **IMAGES).double()
    images = torch.randn(6, 3, 8, 8, generator=rng, dtype=torch.float64)
    last = [module for module in network.modules() if isinstance(module, nn.Conv2d)][-1]
    found = []
    last.register_forward_hook(lambda module, inputs, output: found.append(output))
    results = []
    for inputs in (images, layout(network)(images)):
        logits = network(inputs)
        results.append((logits, *torch.autograd.grad(logits.square().mean(), list(network.parameters()))))
    assert [innermost(output) for output in found] == [False, True]
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    "network",
    [Mlp(depth=2, width=4, norm=NoNorm(), **IMAGES), Cnn(2, 4, "circular", norm=NoNorm(), **IMAGES)],
    ids=["no convolution", "padding around the edges"],
)
def test_networks_that_gain_nothing_get_their_inputs_as_they_are(network):
    images = torch.randn(2, 3, 8, 8)
    assert layout(network)(images) is images


def test_weights_keep_their_layout_through_training(rng):
    network = Wrn(num_blocks=1, norm=Weight(), **IMAGES)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, fused=True)
    for _ in range(2):
        optimizer.zero_grad()
        network(layout(network)(torch.randn(4, 3, 8, 8, generator=rng))).square().mean().backward()
        optimizer.step()
    assert all(p.is_contiguous() and p.grad.is_contiguous() for p in network.parameters())
