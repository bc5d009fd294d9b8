"""Networks that are computed as one are what each is alone."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import components
from initlab.errors import ConfigError
from initlab.init import initialize
from initlab.population.stack import Stack

CPU = torch.device("cpu")
CASES = [(m, n) for m in components.names("model") for n in components.names("norm")]


def stack_of(name, norm, number=2):
    """Networks that differ, or None where network and norm do not fit."""
    models = [components.small_model(name, norm) for _ in range(number)]
    if models[0] is None:
        return None
    for seed, model in enumerate(models):
        torch.manual_seed(seed)
        initialize(model, "pytorch", torch.Generator().manual_seed(seed))
        model.double()
    return models


def batch(name, number=2):
    inputs, labels = components.small_batch(name, 4)
    rng = torch.Generator().manual_seed(1)
    noise = torch.randn(number, *inputs.shape, generator=rng)
    return (inputs + 0.1 * noise).double(), labels.expand(number, -1)


@pytest.mark.parametrize(("name", "norm"), CASES)
def test_losses_gradients_and_statistics_are_those_of_each_network_alone(name, norm):
    models = stack_of(name, norm)
    if models is None:
        pytest.skip(f"model={name} does not fit norm={norm}")
    stack = Stack(models, CPU, "64-true")
    inputs, labels = batch(name)
    losses, logits, gradients = stack.gradients(inputs, labels)
    for row, model in enumerate(models):
        model.train()
        output = model(inputs[row])
        loss = cross_entropy(output, labels[row])
        parts = torch.autograd.grad(loss, list(model.parameters()))
        gradient = torch.cat([part.flatten() for part in parts])
        assert torch.allclose(losses[row], loss, rtol=1e-10)
        assert torch.allclose(logits[row], output, rtol=1e-9, atol=1e-10)
        assert torch.allclose(gradients[row], gradient, rtol=1e-8, atol=1e-8 * float(gradient.abs().max()))
        state = stack.state_dict(row)
        assert list(state) == list(model.state_dict())
        for key, value in model.state_dict().items():
            assert torch.allclose(state[key].double(), value.double(), rtol=1e-10), key
    assert not torch.allclose(gradients[0], gradients[1])  # control
    shared, _ = stack.evaluate(inputs[0], labels[0], at_a_time=1)
    for row, model in enumerate(models):
        assert torch.allclose(shared[row], cross_entropy(model.eval()(inputs[0]), labels[0]), rtol=1e-10)


def test_a_network_of_nan_reaches_no_other():
    models = stack_of("mlp", "batch", 3)
    inputs, labels = batch("mlp", 3)
    before = Stack(models, CPU, "64-true").gradients(inputs, labels)
    sick = Stack(models, CPU, "64-true")
    sick.parameters[1] = float("nan")
    after = sick.gradients(inputs, labels)
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one[[0, 2]], other[[0, 2]])
        assert other[1].isnan().all()


def test_a_network_that_draws_while_it_trains_is_refused():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    stack = Stack([model, nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))], CPU)
    with pytest.raises(ConfigError, match=r"^sweep.population: this network draws random numbers"):
        stack.gradients(torch.zeros(2, 3, 4), torch.zeros(2, 3, dtype=torch.int64))


def test_a_state_that_is_loaded_is_the_state():
    models = stack_of("mlp", "batch")
    stack = Stack(models, CPU, "64-true")
    kept = stack.state_dict(0)
    stack.gradients(*batch("mlp"))
    stack.load_state_dict(1, kept)
    assert all(torch.equal(value, kept[key]) for key, value in stack.state_dict(1).items())
