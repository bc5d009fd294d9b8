import pytest
import torch
from torch import nn

from initlab.errors import ConfigError
from initlab.norm.batch import Batch


@pytest.mark.parametrize(("spatial", "kind"), [(True, nn.BatchNorm2d), (False, nn.BatchNorm1d)])
def test_makes_torchs_module_for_images_or_vectors(spatial, kind):
    module = Batch(momentum=0.3, eps=1e-4).activation(7, spatial=spatial)
    assert type(module) is kind
    assert (module.num_features, module.momentum, module.eps) == (7, 0.3, 1e-4)


def test_each_channel_gets_mean_0_and_variance_1(rng):
    images = 3 + 5 * torch.randn(16, 4, 6, 6, generator=rng)
    outputs = Batch(eps=1e-12).activation(4)(images)
    torch.testing.assert_close(outputs.mean((0, 2, 3)), torch.zeros(4), rtol=0, atol=1e-5)
    torch.testing.assert_close(outputs.var((0, 2, 3), correction=0), torch.ones(4), rtol=0, atol=1e-5)


def test_layers_are_left_alone():
    layer = nn.Linear(2, 2)
    assert Batch().wrap(layer) is layer
    assert type(layer) is nn.Linear


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"eps": 0.0}, "norm.eps=0.0: must be positive"),
        ({"momentum": 1.5}, r"norm.momentum=1.5: must be in \[0, 1\]"),
    ],
)
def test_bad_options_are_refused(options, sentence):
    with pytest.raises(ConfigError, match=f"^{sentence}$"):
        Batch(**options)
