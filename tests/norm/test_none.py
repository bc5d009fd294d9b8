from torch import nn

from initlab.norm.none import NoNorm


def test_layers_and_activations_are_left_alone():
    layer = nn.Linear(2, 2)
    assert NoNorm().wrap(layer) is layer
    assert type(layer) is nn.Linear
    assert NoNorm().activation(2) is None
