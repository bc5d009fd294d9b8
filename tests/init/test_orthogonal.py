import pytest
import torch
from torch import nn

from initlab.errors import ConfigError, Refused
from initlab.init import initialize
from initlab.init.orthogonal import Orthogonal
from initlab.model.wrn import Wrn
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight
from initlab.site import Role, Site


@pytest.mark.parametrize("norm", [NoNorm(), Weight()])
@pytest.mark.parametrize("relu_gain", [2**0.5, 1.0])
def test_rows_or_columns_are_orthogonal_with_the_gain_of_a_relu_where_one_follows(norm, relu_gain, rng):
    model = Wrn(1, 1, 16, 2, "zeros", input_shape=(3, 8, 8), num_classes=3, norm=norm).double()
    initialize(model, Orthogonal(relu_gain), rng)
    for site in model.sites():
        if site.role is not Role.HEAD:
            matrix = site.layer.weight.detach().flatten(1)
            gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
            gain = relu_gain if site.relu else 1.0
            expected = gain**2 * torch.eye(len(gram), dtype=torch.float64)
            torch.testing.assert_close(gram, expected, rtol=0, atol=1e-12)
            assert not bool(site.layer.bias.any())


def test_a_network_that_says_nothing_of_relus_is_refused_unless_the_gain_is_1(rng):
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    with pytest.raises(Refused, match=r"where its ReLUs .* of 0 Linear.*; or set init.relu_gain=1"):
        initialize(model, Orthogonal(), rng)
    initialize(model, Orthogonal(relu_gain=1.0), rng)
    weight = model[0].weight.detach()
    torch.testing.assert_close(weight @ weight.T, torch.eye(3), rtol=0, atol=1e-6)


def test_a_gain_is_positive():
    with pytest.raises(ConfigError, match=r"^init\.relu_gain=0: must be positive$"):
        Orthogonal(relu_gain=0)


@pytest.mark.parametrize(("options", "kept"), [({}, 1.0), ({"relu_gain": 1.0}, 0.5)])
def test_the_default_gain_makes_up_for_the_relu(options, kept, rng):
    site = Site("layer", nn.Linear(64, 64), relu=True)
    inputs = torch.randn(64, generator=rng, dtype=torch.float64)
    weights = [Orthogonal(**options).weight(site, rng) for _ in range(200)]
    ratios = torch.stack([(w @ inputs).relu().square().sum() / inputs.square().sum() for w in weights])
    # One draw deviates by about sqrt(5 / 64) = .28 at most, the mean of 200 by .02.
    assert float(ratios.mean()) == pytest.approx(kept, rel=0.08)
