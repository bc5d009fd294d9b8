import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from initlab.errors import ConfigError
from initlab.model.strided import conv_relu, widened
from initlab.norm.batch import Batch
from initlab.norm.none import NoNorm


@given(side=st.integers(6, 17), kernel=st.sampled_from([1, 3, 5, 11]), stride=st.integers(1, 3))
def test_a_convolution_keeps_every_stride_th_pixel(side, kernel, stride):
    layers = nn.Sequential(*conv_relu(2, 3, kernel, stride, "circular", NoNorm()))
    assert layers(torch.zeros(1, 2, side, side)).shape[2:] == (-(-side // stride),) * 2


def test_a_norm_of_activations_stands_before_the_relu():
    kinds = [type(m) for m in conv_relu(2, 3, 3, 1, "zeros", Batch())]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]


def test_a_circular_convolution_commutes_with_a_shift_and_a_zero_padded_one_does_not():
    image = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    moved = image.roll((3, 2), (2, 3))
    for padding, commutes in (("circular", True), ("zeros", False)):
        layer = nn.Sequential(*conv_relu(2, 3, 5, 1, padding, NoNorm()))
        same = torch.allclose(layer(moved), layer(image).roll((3, 2), (2, 3)), atol=1e-6)
        assert same == commutes


def test_widths_are_rounded_and_at_least_1():
    assert [widened(6, f) for f in (0.01, 0.25, 1.0, 2.5)] == [1, 2, 6, 15]
    with pytest.raises(ConfigError, match="widen_factor=0"):
        widened(6, 0.0)


def test_an_unknown_padding_is_refused():
    with pytest.raises(ConfigError, match="must be zeros or circular"):
        conv_relu(2, 3, 3, 1, "reflect", NoNorm())
