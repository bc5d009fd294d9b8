import copy

import torch
from torch import nn

from initlab.norm.base import gain_of
from initlab.norm.weight import Weight


def test_wrapping_changes_no_output(rng):
    layer = nn.Conv2d(3, 5, 3)
    images = torch.randn(2, 3, 8, 8, generator=rng)
    before = layer(images)
    wrapped = Weight().wrap(layer)
    assert wrapped is layer
    torch.testing.assert_close(wrapped(images), before)
    torch.testing.assert_close(gain_of(wrapped), wrapped.weight.flatten(1).norm(dim=1))


def test_parameters_have_the_names_and_shapes_of_torchs_own():
    ours = Weight().wrap(nn.Conv2d(3, 5, 3)).state_dict()
    torchs = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 5, 3)).state_dict()
    assert {key: value.shape for key, value in ours.items()} == {k: v.shape for k, v in torchs.items()}


def test_activations_are_left_alone():
    assert Weight().activation(4) is None


def test_a_copy_learns_by_itself(rng):
    layer = Weight().wrap(nn.Linear(3, 2))
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        gain_of(twin).mul_(2)
    torch.testing.assert_close(twin.weight, 2 * layer.weight)
