"""Measured blocks against each sample's full Hessian."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.functional import hessian
from torch.func import functional_call

from initlab.diagnostic.gr_scaling import GrScaling
from initlab.norm.weight import Weight


def small_net(kind):
    torch.manual_seed(0)
    if kind == "linear":
        net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Linear(5, 3))
        return net.double(), (4,)
    if kind == "tokens":
        pool = nn.AdaptiveAvgPool2d((1, None))
        net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 3), pool, nn.Flatten())
        return net.double(), (5, 3)
    mix = nn.Conv2d(4, 4, 3, padding=1, groups=2, padding_mode="circular")
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2), nn.Softplus(), mix, nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)
    )
    return net.double(), (2, 5, 5)


@pytest.mark.parametrize("loss", ["cross_entropy", "random_quadratic"])
@pytest.mark.parametrize("kind", ["linear", "tokens", "conv"])
def test_blocks_equal_those_of_the_exact_hessian(kind, loss):
    net, shape = small_net(kind)
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(3, *shape, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (3,), generator=generator)
    found = GrScaling(loss=loss, heat_map=True, actual_samples=None)(
        net, (inputs, labels), torch.Generator().manual_seed(9)
    )

    replay = torch.Generator().manual_seed(9)  # the diagnostic draws the loss, then r of each layer
    quadratic = torch.randn(3, 3, generator=replay, dtype=torch.float64) if loss != "cross_entropy" else None
    names = [name for name, _ in net.named_parameters() if name.endswith("weight")]
    weights = tuple(net.get_parameter(name).detach() for name in names)
    directions = [torch.randn(w.shape, generator=replay, dtype=torch.float64) for w in weights]
    expected = torch.zeros(len(names), len(names), dtype=torch.float64)
    for x, label in zip(inputs.split(1), labels.split(1), strict=True):

        def value(*candidates, x=x, label=label):
            outputs = functional_call(net, dict(zip(names, candidates, strict=True)), (x,))
            if quadratic is None:
                return F.cross_entropy(outputs, label)
            return (outputs @ quadratic @ outputs.T).sum()

        blocks = hessian(value, weights)
        for i, row in enumerate(blocks):
            for j, block in enumerate(row):
                image = torch.tensordot(block, directions[j], dims=directions[j].dim())
                expected[i, j] += image.square().mean() / len(inputs)
    torch.testing.assert_close(torch.tensor(found.heat_map, dtype=torch.float64), expected)
    diagonal = torch.tensor([entry.actual for entry in found.layers], dtype=torch.float64)
    torch.testing.assert_close(diagonal, expected.diagonal())


def test_both_ways_to_a_diagonal_block_agree_under_weight_norm(rng):
    net, shape = small_net("conv")
    for index in (0, 2):
        Weight().wrap(net[index])
    inputs = torch.randn(3, *shape, generator=rng, dtype=torch.float64)
    found = GrScaling(heat_map=True, actual_samples=None)(
        net, (inputs, torch.randint(3, (3,), generator=rng)), rng
    )
    for index, entry in enumerate(found.layers):
        assert entry.actual == pytest.approx(found.heat_map[index][index], rel=1e-10)


def test_weight_to_gradient_ratio_equals_that_of_one_backward_pass_per_sample(rng):
    for kind in ("linear", "tokens", "conv"):
        net, shape = small_net(kind)
        inputs = torch.randn(4, *shape, generator=rng, dtype=torch.float64)
        labels = torch.randint(3, (4,), generator=rng)
        found = GrScaling(actual_samples=0)(net, (inputs, labels), rng)
        for entry in found.layers:
            weight = net.get_submodule(entry.layer).weight
            mean_square = float(weight.detach().square().mean())
            total = 0.0
            for x, label in zip(inputs.split(1), labels.split(1), strict=True):
                (gradient,) = torch.autograd.grad(F.cross_entropy(net(x), label), weight)
                total += float(gradient.square().mean()) / 4
            assert entry.weight_to_gradient == pytest.approx(total / mean_square)


def test_a_loss_linear_in_the_outputs_has_flat_blocks(rng):
    """The last layer of a softmax with a single class: its loss is 0 whatever the logit."""
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 1)).double()
    inputs = torch.randn(3, 4, generator=rng, dtype=torch.float64)
    found = GrScaling(heat_map=True, actual_samples=None)(
        net, (inputs, torch.zeros(3, dtype=torch.long)), rng
    )
    assert all(entry.actual == 0 for entry in found.layers)
    assert all(value == 0 for row in found.heat_map for value in row)
    found.figure()
