import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from initlab.errors import Refused
from initlab.init import isometry
from initlab.site import Role, Site

sizes = st.integers(1, 6)


@given(m=sizes, n=sizes, seed=st.integers(0, 2**16))
def test_looks_linear_layers_make_a_relu_network_linear(m, n, seed):
    """relu(LL(U) relu([z; -z])) = relu([U z; -U z])."""
    rng = torch.Generator().manual_seed(seed)
    matrix = torch.randn(m, n, generator=rng, dtype=torch.float64)
    z = torch.randn(n, generator=rng, dtype=torch.float64)
    pairs = torch.relu(isometry.looks_linear_first(torch.eye(n, dtype=torch.float64)) @ z)
    expected = torch.cat([matrix @ z, -matrix @ z])
    torch.testing.assert_close(isometry.looks_linear(matrix) @ pairs, expected)
    torch.testing.assert_close(isometry.looks_linear_first(matrix) @ z, expected)


@given(kernel=st.sampled_from([1, 3, 5, 7]), stride=st.integers(1, 3), size=st.integers(3, 8))
def test_a_delta_convolution_multiplies_the_sampled_pixels_by_its_matrix(kernel, stride, size):
    matrix, inputs = torch.randn(4, 3), torch.randn(2, 3, size, size)
    weight = isometry.delta(matrix, (kernel, kernel))
    expected = torch.einsum("oi,nihw->nohw", matrix, inputs[:, :, ::stride, ::stride])
    found = nn.functional.conv2d(inputs, weight, stride=stride, padding=kernel // 2)
    torch.testing.assert_close(found, expected)


def test_a_delta_of_no_kernel_is_the_matrix():
    matrix = torch.randn(4, 3)
    assert torch.equal(isometry.delta(matrix, ()), matrix)


def test_an_average_pooled_skip_does_not_see_the_pixels_that_a_strided_convolution_sees(rng):
    """Why projections have a stride: sampled and pooled norms differ (about 1 and 1/2)."""
    image = torch.randn(1, 8, 8, 8, generator=rng)
    pooled, sampled = nn.functional.avg_pool2d(image, 2), image[:, :, ::2, ::2]
    assert 0.4 < (pooled.norm() / sampled.norm()).item() < 0.6


def test_channels_without_a_partner_are_refused_by_name(rng):
    odd = Site("hidden.0", nn.Linear(4, 5), Role.HIDDEN)
    grouped = Site("hidden.1", nn.Conv2d(4, 4, 3, groups=2), Role.HIDDEN)
    with pytest.raises(Refused, match=r"hidden\.0 .*even widths"):
        isometry.hidden_weight(odd, rng)
    with pytest.raises(Refused, match=r"hidden\.1 .*groups=1"):
        isometry.hidden_weight(grouped, rng)


def test_the_first_layer_may_have_an_odd_number_of_inputs(rng):
    weight = isometry.stem_weight(Site("stem", nn.Conv2d(3, 8, 3), Role.STEM), rng)
    columns = weight.flatten(1)[:, 4::9]
    torch.testing.assert_close(columns.T @ columns, 2 * torch.eye(3, dtype=torch.float64))


def test_narrowing_warns_by_name(rng):
    with pytest.warns(isometry.PartialIsometryWarning, match=r"hidden\.3 .*narrows.*2 dimensions"):
        isometry.hidden_weight(Site("hidden.3", nn.Linear(8, 4), Role.HIDDEN), rng)
    with pytest.warns(isometry.PartialIsometryWarning, match="stem .*narrows"):
        isometry.stem_weight(Site("stem", nn.Linear(12, 8), Role.STEM), rng)
