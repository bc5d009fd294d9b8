import pytest
import torch
from torch import nn

from initlab.errors import ConfigError
from initlab.init.directions import check_directions, direction
from initlab.site import Site


def test_orthogonal_directions_have_orthonormal_rows(rng):
    v = direction(Site("layer", nn.Conv2d(4, 8, 3)), "orthogonal", rng).flatten(1)
    torch.testing.assert_close(v @ v.T, torch.eye(8, dtype=v.dtype), rtol=0, atol=1e-12)


def test_he_directions_are_independent_with_variance_2_over_fan_in(rng):
    site = Site("layer", nn.Conv2d(32, 64, 3))
    v = direction(site, "he", rng)
    # 18432 entries: the relative standard error of their variance is 1%.
    torch.testing.assert_close(v.var() * site.fan_in, torch.tensor(2.0).double(), rtol=0.04, atol=0)
    assert abs(float(v.mean() / v.std())) < 0.03


def test_another_kind_is_refused():
    check_directions("he")
    with pytest.raises(ConfigError, match=r"^init\.directions=uniform: must be orthogonal or he$"):
        check_directions("uniform")
