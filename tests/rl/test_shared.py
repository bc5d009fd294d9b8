"""One vector with its optimizer is the network with its own."""

import pickle
from multiprocessing.reduction import ForkingPickler

import pytest
import torch
from torch import nn

from initlab.rl.flat import Flat
from initlab.rl.shared import COUNTED, Shared

OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, lr=0.1, momentum=0.5),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.1),
}
ONE = dict.fromkeys(COUNTED, 1.0)


def sgd(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_on_the_vector_are_steps_on_the_network(name):
    inputs = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    plain = network()
    optimizer = OPTIMIZERS[name](plain.parameters())
    flat = Flat(network())
    shared = Shared(flat.weights, OPTIMIZERS[name])
    for _ in range(4):
        optimizer.zero_grad()
        plain(inputs).square().sum().backward()
        optimizer.step()
        flat.load(shared.weights)
        flat.gradient.zero_()
        flat.network(inputs).square().sum().backward()
        shared.apply(flat.gradient, 0.1, ONE)
    expected = torch.cat([parameter.flatten() for parameter in plain.parameters()])
    torch.testing.assert_close(shared.weights, expected)
    assert shared.counts() == dict.fromkeys(COUNTED, 4.0)


def test_a_network_reads_and_clips_in_the_vectors():
    flat = Flat(network())
    flat.load(torch.zeros_like(flat.weights))
    assert not any(parameter.any() for parameter in flat.network.parameters())
    flat.gradient.fill_(1.0)
    nn.utils.clip_grad_norm_(flat.network.parameters(), 0.5)
    assert float(flat.gradient.norm()) == pytest.approx(0.5, rel=1e-4)


def test_a_receiver_works_on_the_same_memory():
    shared = Shared(torch.zeros(3), sgd)
    received = ForkingPickler.loads(ForkingPickler.dumps(shared))
    received.apply(torch.ones(3), 0.5, ONE)
    assert shared.weights.tolist() == [-0.5] * 3
    shared.apply(torch.zeros(3), 0.5, ONE)  # by the momentum of what the other did
    assert received.weights.tolist() == pytest.approx([-0.95] * 3)
    assert received.counts()["updates"] == 2


def test_a_checkpoint_holds_weights_statistics_and_counts():
    shared, other = Shared(torch.zeros(3), sgd), Shared(torch.ones(3), sgd)
    shared.reserve(100, 5, 2)
    shared.apply(torch.ones(3), 0.5, ONE | {"frames": 10.0})
    other.load(pickle.loads(pickle.dumps(shared.state())))
    for each in (shared, other):
        each.apply(torch.ones(3), 0.5, ONE)
    assert torch.equal(shared.weights, other.weights)
    assert int(other.reserved) == 10


def test_no_frame_is_taken_twice_and_none_beyond_the_end():
    shared = Shared(torch.zeros(1), sgd)
    taken = [shared.reserve(26, 5, 2) for _ in range(5)]
    assert taken == [(0, 5), (10, 5), (20, 3), (26, 0), (26, 0)]
    shared.rewind()
    assert shared.reserve(26, 5, 2) == (0, 5)
