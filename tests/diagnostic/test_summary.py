import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from initlab.diagnostic.summary import Summary
from initlab.errors import ConfigError
from initlab.model.mlp import Mlp
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight


def batch(*shape: int, count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    inputs = torch.randn(count, *shape, generator=torch.Generator().manual_seed(0))
    return inputs, torch.zeros(count, dtype=torch.long)


def delta_net(strides: tuple[int, ...]) -> nn.Sequential:
    """Convolutions whose kernels are zero but at the centre."""
    layers: list[nn.Module] = []
    for stride in strides:
        conv = nn.Conv2d(3, 3, 3, stride, padding=1, bias=False)
        nn.init.dirac_(conv.weight)
        layers.append(conv)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 10))


def test_sizes_of_an_mlp_are_the_ones_on_paper(rng):
    result = Summary()(Mlp(2, 8, (3, 2, 2), 5, NoNorm()), batch(3, 2, 2), rng)
    assert result.parameters == 13 * 8 + 9 * 8 + 9 * 5
    assert result.flops == 2 * (12 * 8 + 8 * 8 + 8 * 5)
    assert [size.flops for size in result.layers] == [2 * 12 * 8, 2 * 8 * 8, 2 * 8 * 5]
    assert [size.output_shape for size in result.layers] == [(8,), (8,), (5,)]
    assert result.activation_bytes == 4 * (12 + 8 + 8)  # a ReLU keeps its output, which is the next input
    assert (result.input_pixels, result.receptive_pixels, result.receptive_field_pixels) == (4, 4, 4)


def test_weight_norm_adds_one_gain_per_unit(rng):
    plain, normalized = (
        Summary()(Mlp(2, 8, (12,), 5, norm), batch(12), rng) for norm in (NoNorm(), Weight())
    )
    assert normalized.parameters == plain.parameters + 16
    assert normalized.flops == plain.flops
    assert [size.type for size in normalized.layers] == ["Linear"] * 3


def test_frozen_and_tied_parameters_are_counted_once_and_apart(rng):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    model[0].bias.requires_grad_(False)
    result = Summary()(model, batch(4), rng)
    assert (result.parameters, result.trainable_parameters) == (24, 20)


def test_a_delta_network_with_three_strides_sees_16_of_1024_pixels(rng):
    result = Summary()(delta_net((1, 2, 1, 2, 1, 2)), batch(3, 32, 32), rng)
    assert result.input_pixels == 1024
    assert result.receptive_pixels == 16
    assert result.receptive_pixels_center == 1
    assert result.receptive_field == (29, 29)  # what the same architecture could see: 1+2+2+4+4+8+8


def test_a_dense_network_sees_every_pixel(rng):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, 2, 1), nn.Flatten(), nn.Linear(256, 2)
    )
    assert Summary()(model, batch(3, 16, 16), rng).receptive_pixels == 256


@given(
    layers=st.lists(st.tuples(*[st.integers(1, high) for high in (5, 2, 2)]), min_size=1, max_size=3),
    dims=st.integers(1, 2),
)
@settings(max_examples=20, deadline=None)
def test_the_window_of_the_architecture_is_what_a_positive_network_sees(layers, dims):
    kind = {1: nn.Conv1d, 2: nn.Conv2d}[dims]
    convs = [kind(1, 1, size, stride, dilation=dilation, bias=False) for size, stride, dilation in layers]
    for conv in convs:
        nn.init.ones_(conv.weight)
    seen = {0}  # by one output, along one dimension
    for size, stride, dilation in reversed(layers):
        seen = {stride * place + dilation * tap for place in seen for tap in range(size)}
    result = Summary()(nn.Sequential(*convs), batch(1, *[61] * dims, count=1), torch.Generator())
    assert result.receptive_field == (max(seen) + 1,) * dims
    assert result.receptive_pixels_center == len(seen) ** dims


def test_without_receptive_pixels_there_are_none(rng):
    result = Summary(receptive=False)(delta_net((1,)), batch(3, 8, 8), rng)
    assert (result.receptive_pixels, result.receptive_pixels_center) == (None, None)


def test_a_pixel_counts_if_it_matters_for_any_input(rng):
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data = torch.eye(2)
    model = nn.Sequential(layer, nn.ReLU(), nn.Linear(2, 2))
    inputs = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])  # each input closes the other's ReLU
    labels = torch.zeros(2, dtype=torch.long)
    assert Summary(max_inputs=1)(model, (inputs, labels), rng).receptive_pixels == 1
    assert Summary(max_inputs=2)(model, (inputs, labels), rng).receptive_pixels == 2


def test_zero_inputs_are_refused():
    with pytest.raises(ConfigError, match=r"summary.max_inputs=0"):
        Summary(max_inputs=0)
