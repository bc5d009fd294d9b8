import math

import pytest
import torch
from torch.nn import functional as F

from initlab.diagnostic.objective import sample_loss
from initlab.errors import ConfigError


def test_cross_entropy_of_each_sample_is_in_nats(rng):
    loss = sample_loss("cross_entropy", 10, rng)
    torch.testing.assert_close(loss(torch.zeros(3, 10), torch.arange(3)), torch.full((3,), math.log(10)))
    outputs, labels = torch.randn(4, 10, generator=rng), torch.arange(4)
    torch.testing.assert_close(loss(outputs, labels).mean(), F.cross_entropy(outputs, labels))


def test_the_random_quadratic_is_the_same_form_for_every_sample(rng):
    """f(y) = y^T R y: homogeneous of degree 2, without labels, and of Hessian R + R^T."""
    loss = sample_loss("random_quadratic", 6, rng)
    outputs = torch.randn(3, 2, 3, generator=rng, dtype=torch.float64)
    none = torch.zeros(3)
    torch.testing.assert_close(loss(3 * outputs, none), 9 * loss(outputs, none))
    torch.testing.assert_close(loss(outputs, none)[1:2], loss(outputs[1:2], none))

    def single(flat):
        return loss(flat.reshape(1, 2, 3), none).sum()

    one, other = (torch.autograd.functional.hessian(single, y) for y in outputs.flatten(1)[:2])
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(one, one.T)
    torch.testing.assert_close(loss(outputs, none)[0], outputs[0].flatten() @ one @ outputs[0].flatten() / 2)


def test_the_entries_of_the_quadratic_have_variance_one():
    """So R + R^T has variance 2 off the diagonal and 4 on it."""
    loss = sample_loss("random_quadratic", 60, torch.Generator().manual_seed(0))
    hessian = torch.autograd.functional.hessian(
        lambda y: loss(y[None], torch.zeros(1)).sum(), torch.zeros(60, dtype=torch.float64)
    )
    above = hessian[tuple(torch.triu_indices(60, 60, offset=1))]
    # 1770 and 60 squares of normal variables: relative standard errors .034 and .18.
    assert float(above.square().mean()) == pytest.approx(2, rel=0.12)
    assert float(hessian.diagonal().square().mean()) == pytest.approx(4, rel=0.6)


def test_the_generator_alone_draws_the_quadratic():
    outputs, labels = torch.ones(1, 4), torch.zeros(1)
    values = [
        float(sample_loss("random_quadratic", 4, torch.Generator().manual_seed(seed))(outputs, labels))
        for seed in (0, 0, 1)
    ]
    assert values[0] == values[1] != values[2]


def test_an_unknown_loss_is_refused_by_name(rng):
    with pytest.raises(ConfigError, match=r"gr_scaling.loss=mse: must be cross_entropy or random_quadratic"):
        sample_loss("mse", 3, rng)
