"""Hessian-vector products against the full Hessian, with and without kept graphs."""

import pytest
import torch
from torch import nn

from initlab.diagnostic.hessian_product import HessianProduct
from initlab.errors import Refused


def problem(rng):
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    inputs = torch.randn(12, 4, generator=rng, dtype=torch.float64)
    targets = torch.randn(12, 2, generator=rng, dtype=torch.float64)
    calls = []

    def term(rows):
        def closure():
            calls.append(rows)
            return (net(inputs[rows]) - targets[rows]).square().sum()

        return closure

    return net, term, calls


def dense(product):
    return torch.stack([product(row) for row in torch.eye(product.dimension, dtype=torch.float64)])


def test_products_are_symmetric_and_the_same_whether_graphs_are_kept_or_rebuilt(rng):
    net, term, calls = problem(rng)
    whole = dense(HessianProduct([term(slice(None))], net.parameters()))
    torch.testing.assert_close(whole, whole.T)
    terms = [term(slice(i, i + 4)) for i in (0, 4, 8)]
    calls.clear()
    kept = HessianProduct(terms, net.parameters())
    torch.testing.assert_close(dense(kept), whole)
    assert kept.num_kept == 3
    assert len(calls) == 3  # one forward pass per term, for all the products
    rebuilt = HessianProduct(terms, net.parameters(), graph_memory=0)
    torch.testing.assert_close(dense(rebuilt), whole)
    assert rebuilt.num_kept == 0
    assert rebuilt.graph_bytes == 0
    some = HessianProduct(terms, net.parameters(), graph_memory=1.5 * kept.graph_bytes / 3)
    assert some.num_kept == 1
    torch.testing.assert_close(dense(some), whole)


def test_a_tied_parameter_counts_once(rng):
    weight = nn.Parameter(torch.randn(3, generator=rng, dtype=torch.float64))
    product = HessianProduct([lambda: (weight**4).sum()], [weight, weight])
    torch.testing.assert_close(dense(product), torch.diag(12 * weight.detach() ** 2))


def test_parameters_that_a_loss_does_not_bend_have_zero_rows():
    used, linear, unused = (nn.Parameter(torch.ones(1, dtype=torch.float64)) for _ in range(3))
    product = HessianProduct([lambda: (used**2 + linear).sum()], [used, linear, unused])
    torch.testing.assert_close(dense(product), torch.diag(torch.tensor([2.0, 0, 0], dtype=torch.float64)))
    flat = HessianProduct([lambda: linear.sum()], [linear])
    torch.testing.assert_close(dense(flat), torch.zeros(1, 1, dtype=torch.float64))


def test_what_cannot_be_differentiated_is_refused_in_a_sentence():
    weight = nn.Parameter(torch.ones(3))
    with pytest.raises(Refused, match=r"loss: must be a scalar, and this one is \(3,\)"):
        HessianProduct([lambda: weight**2], [weight])
    with pytest.raises(Refused, match="does not depend"):
        HessianProduct([lambda: torch.ones(())], [weight])
    with pytest.raises(Refused, match=r"number 1, of shape \(2,\), requires no gradient"):
        HessianProduct([lambda: weight.sum()], [weight, torch.ones(2)])
    with pytest.raises(Refused, match="no trainable parameter"):
        HessianProduct([lambda: weight.sum()], [])
