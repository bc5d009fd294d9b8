import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import jacrev

from initlab.errors import ConfigError, Refused
from initlab.init import initialize
from initlab.init.delta_orthogonal import DeltaOrthogonal


@settings(max_examples=8, deadline=None)
@given(depth=st.integers(1, 12), scale=st.sampled_from([0.9, 1.0, 1.1]), seed=st.integers(0, 2**16))
def test_a_linear_network_scales_every_direction_alike_up_to_the_borders(depth, scale, seed):
    rng = torch.Generator().manual_seed(seed)
    convs = [nn.Conv2d(2 if i == 0 else 4, 4, 3, padding=1) for i in range(depth)]
    model = nn.Sequential(*convs).double()
    inputs = torch.randn(1, 2, 4, 4, dtype=torch.float64, generator=rng)
    initialize(model, "delta_orthogonal", rng, scale=scale)
    sigma = torch.linalg.svdvals(jacrev(model)(inputs).reshape(64, 32))
    assert (sigma / scale**depth - 1).abs().max() < 1e-12


def test_a_full_orthogonal_kernel_is_no_isometry(rng):
    """Control: orthogonality of the flattened kernel is not enough."""
    conv = nn.Conv2d(4, 4, 3, padding=1, bias=False).double()
    nn.init.orthogonal_(conv.weight, generator=rng)
    sigma = torch.linalg.svdvals(jacrev(conv)(torch.zeros(1, 4, 4, 4, dtype=torch.float64)).reshape(64, 64))
    assert (sigma - 1).abs().max() > 0.3


def test_wrong_scales_and_groups_are_refused(rng):
    with pytest.raises(ConfigError, match=r"init\.scale=0"):
        DeltaOrthogonal(scale=0)
    with pytest.raises(Refused, match=r"groups of 0 Conv\(4, 4, 3x3\)"):
        initialize(nn.Sequential(nn.Conv2d(4, 4, 3, groups=2)), "delta_orthogonal", rng)
