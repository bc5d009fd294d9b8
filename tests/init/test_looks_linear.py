import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import jacrev

from initlab.errors import Refused
from initlab.init import initialize
from initlab.init.isometry import PartialIsometryWarning
from initlab.model.mlp import Mlp
from initlab.model.resnet_c import ResnetC
from initlab.norm.none import NoNorm
from initlab.site import Role, Site


def singular_values(model: Mlp, inputs: torch.Tensor) -> torch.Tensor:
    return torch.linalg.svdvals(jacrev(model.hidden)(inputs).squeeze())


@settings(max_examples=15, deadline=None)
@given(depth=st.integers(1, 30), seed=st.integers(0, 2**16))
def test_a_relu_chain_is_an_isometry_at_any_depth(depth, seed):
    rng = torch.Generator().manual_seed(seed)
    model = Mlp(depth, 24, (6,), 3, NoNorm()).double()
    inputs = torch.randn(1, 6, dtype=torch.float64, generator=rng)
    initialize(model, "looks_linear", rng)
    assert (singular_values(model, inputs) - 1).abs().max() < 1e-12
    initialize(model, "delta_orthogonal", rng)  # control: orthogonal alone is none
    assert (singular_values(model, inputs) - 1).abs().max() > 0.05


def test_a_narrow_layer_is_named(rng):
    model = Mlp(2, [16, 8], (6,), 3, NoNorm())
    with pytest.warns(PartialIsometryWarning, match=r"hidden\.3"):
        initialize(model, "looks_linear", rng)


class Convolutions(nn.Module):
    """Two strided convolutions that tell their places."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 2, 1)

    def forward(self, inputs):
        return torch.relu(self.second(torch.relu(self.first(inputs))))

    def sites(self):
        return [Site("first", self.first, Role.STEM), Site("second", self.second, Role.HIDDEN)]


def test_a_plain_module_that_lists_its_sites_keeps_the_norm_of_the_sampled_pixels(rng):
    model, inputs = Convolutions(), torch.randn(4, 3, 9, 9, generator=rng)
    with pytest.warns(PartialIsometryWarning, match="second"):
        initialize(model, "looks_linear", rng)
    torch.testing.assert_close(model(inputs).norm(), inputs[:, :, ::2, ::2].norm())


def test_residual_blocks_and_unknown_places_are_refused(rng):
    model = ResnetC(stages=[1], widths=[8], strides=[1], input_shape=(3, 4, 4), num_classes=2, norm=NoNorm())
    with pytest.raises(Refused, match=r"stages\.0\.0\.convs\.0.*init=risotto"):
        initialize(model, "looks_linear", rng)
    with pytest.raises(Refused, match="sites"):
        initialize(nn.Sequential(nn.Linear(4, 4)), "looks_linear", rng)
