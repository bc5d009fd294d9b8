import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from initlab.diagnostic.gradient import Gradient
from initlab.errors import ConfigError, InitlabError
from initlab.model.mlp import Mlp
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight


def batch(rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(7, 5, generator=rng), torch.randint(3, (7,), generator=rng)


def test_norms_are_those_of_backward(rng):
    torch.manual_seed(0)
    model = Mlp(2, 6, (5,), 3, NoNorm())
    inputs, labels = batch(rng)
    result = Gradient()(model, (inputs, labels), rng)
    other = copy.deepcopy(model)
    loss = cross_entropy(other(inputs), labels)
    loss.backward()
    assert result.loss == pytest.approx(loss.item())
    everything = torch.cat([p.grad.flatten() for p in other.parameters()])
    assert result.total_norm == pytest.approx(everything.norm().item())
    for norms in result.layers:
        layer = other.get_submodule(norms.layer)
        assert norms.gradient_norm == pytest.approx(layer.weight.grad.norm().item())
        assert norms.weight_norm == pytest.approx(layer.weight.norm().item())
        assert norms.ratio == pytest.approx((layer.weight.grad.norm() / layer.weight.norm()).item())
        assert norms.bias_gradient_norm == pytest.approx(layer.bias.grad.norm().item())
        assert norms.v_norm is None


def test_under_weight_norm_it_is_the_effective_weight_that_counts(rng):
    torch.manual_seed(0)
    model, plain = Mlp(2, 6, (5,), 3, Weight()), Mlp(2, 6, (5,), 3, NoNorm())
    for index in (1, 3):
        layer, twin = model.hidden[index], plain.hidden[index]
        layer.parametrizations.weight.original1.data *= 3.0  # the length of v does not matter to W
        twin.weight.data.copy_(layer.weight.data)
        twin.bias.data.copy_(layer.bias.data)
    plain.head.load_state_dict(model.head.state_dict())
    given = batch(rng)
    result, oracle = Gradient()(model, given, rng), Gradient()(plain, given, rng)
    cross_entropy(model(given[0]), given[1]).backward()
    for norms, expected in zip(result.layers, oracle.layers, strict=True):
        assert norms.weight_norm == pytest.approx(expected.weight_norm)
        assert norms.gradient_norm == pytest.approx(expected.gradient_norm)
    for norms in result.layers[:2]:
        g, v = model.get_submodule(norms.layer).parametrizations.weight.parameters()
        assert [norms.g_norm, norms.v_norm] == pytest.approx([g.norm().item(), v.norm().item()])
        assert [norms.g_gradient_norm, norms.v_gradient_norm] == pytest.approx(
            [g.grad.norm().item(), v.grad.norm().item()]
        )
    assert result.layers[-1].v_norm is None


def test_a_gradient_of_1e_minus_31_is_not_zero(rng):
    model = nn.Sequential(nn.Linear(5, 5, bias=False), nn.Linear(5, 3, bias=False))
    model[1].weight.data.mul_(1e-31)
    first = Gradient()(model, batch(rng), rng).layers[0]
    assert -33 < math.log10(first.gradient_norm) < -30


def test_it_measures_with_batch_statistics_as_training_does(rng):
    model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))
    inputs, labels = batch(rng)
    training, evaluating = (
        Gradient(statistics=kind)(model, (inputs, labels), rng) for kind in ("batch", "running")
    )
    assert training.loss == pytest.approx(cross_entropy(copy.deepcopy(model)(inputs), labels).item())
    assert evaluating.loss == pytest.approx(cross_entropy(copy.deepcopy(model).eval()(inputs), labels).item())


def test_a_frozen_parameter_is_named(rng):
    model = Mlp(1, 6, (5,), 3, NoNorm())
    model.head.bias.requires_grad_(False)
    with pytest.raises(InitlabError, match=r"^head.bias is frozen"):
        Gradient()(model, batch(rng), rng)


def test_tied_parameters_are_both_named(rng):
    model = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 3))
    model[1].weight = model[0].weight
    with pytest.raises(InitlabError, match=r"^0.weight and 1.weight are one tied parameter"):
        Gradient()(model, batch(rng), rng)


def test_a_layer_that_the_loss_does_not_reach_has_no_gradient(rng):
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Linear(5, 3), nn.Linear(5, 3)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.used(inputs)

    used, idle = Gradient()(Half(), batch(rng), rng).layers
    assert used.gradient_norm > 0
    assert (idle.gradient_norm, idle.ratio) == (None, None)
    assert idle.weight_norm > 0


def test_statistics_that_do_not_exist_are_refused():
    with pytest.raises(ConfigError, match=r"gradient.statistics=maybe: must be running or batch"):
        Gradient(statistics="maybe")
