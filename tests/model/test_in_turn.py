import pytest
import torch
from torch import nn

from initlab.init import initialize
from initlab.model.in_turn import InTurn
from initlab.model.mlp import Mlp
from initlab.norm.base import is_weight_normalized
from initlab.norm.batch import Batch
from initlab.norm.batch_single import BatchSingle
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight


def numbers(norm, num_layers):
    """The layers, counted from 1, that a module follows."""
    in_turn = InTurn(norm, num_layers)
    return [number for number in range(1, num_layers + 1) if in_turn.activation(4) is not None]


@pytest.mark.parametrize("num_layers", [1, 2, 5, 6])
def test_a_norm_of_every_layer_or_of_none_is_what_it_was(num_layers):
    assert numbers(Batch(), num_layers) == list(range(1, num_layers + 1))
    assert numbers(NoNorm(), num_layers) == numbers(Weight(), num_layers) == []
    assert is_weight_normalized(InTurn(Weight(), 1).wrap(nn.Linear(2, 2)))


@pytest.mark.parametrize(
    ("position", "expected"),
    [("first", [1, 1, 1, 1]), ("middle", [1, 1, 2, 3]), ("last", [1, 2, 5, 6])],
)
def test_a_norm_of_one_place_is_there_once(position, expected):
    found = [numbers(BatchSingle(position=position), num_layers) for num_layers in (1, 2, 5, 6)]
    assert found == [[number] for number in expected]


@pytest.mark.parametrize(("position", "layer"), [("first", 0), ("middle", 1), ("last", 3)])
def test_a_chain_normalizes_the_pre_activations_of_that_layer_alone(position, layer):
    model = Mlp(4, 8, (6,), 3, BatchSingle(position=position, eps=1e-12))
    initialize(model, "orthogonal", torch.Generator().manual_seed(0))  # no layer of which all units are off
    seen = []
    for relu in (module for module in model.hidden if isinstance(module, nn.ReLU)):
        relu.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    model(torch.randn(64, 6, generator=torch.Generator().manual_seed(0)))
    standard = [
        bool((z.mean(0).abs() < 1e-5).all() and (z.var(0, correction=0) - 1).abs().max() < 1e-4) for z in seen
    ]
    assert standard == [index == layer for index in range(4)]
