"""Eigenvalues of largest magnitude, from products alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from initlab.diagnostic.lanczos import lanczos, power_iteration
from initlab.errors import Refused


def symmetric(eigenvalues, generator):
    """A matrix with those eigenvalues and random eigenvectors."""
    values = torch.as_tensor(eigenvalues, dtype=torch.float64)
    basis, _ = torch.linalg.qr(
        torch.randn(len(values), len(values), generator=generator, dtype=torch.float64)
    )
    return basis @ torch.diag(values) @ basis.T


def start(dimension, generator, dtype=torch.float64):
    return torch.randn(dimension, generator=generator, dtype=torch.float64).to(dtype)


def test_power_iteration_finds_the_magnitude_of_a_negative_eigenvalue(rng):
    diagonal = torch.tensor([1.0, -3.0], dtype=torch.float64)
    found = power_iteration(lambda v: diagonal * v, start(2, rng), tolerance=1e-6)
    assert found.converged
    assert found.eigenvalues[0] == pytest.approx(-3, abs=1e-10)
    assert found.residuals[0] <= 3e-6


def test_power_iteration_says_when_two_eigenvalues_compete(rng):
    diagonal = torch.tensor([2.0, -2.0, 1.0], dtype=torch.float64)
    found = power_iteration(lambda v: diagonal * v, start(3, rng), max_products=30)
    assert not found.converged
    assert found.residuals[0] > 1e-3
    assert found.num_products == 30
    assert abs(lanczos(lambda v: diagonal * v, start(3, rng), rng).eigenvalues[0]) == pytest.approx(2)


@settings(deadline=None, max_examples=60)
@given(dimension=st.integers(1, 60), wanted=st.integers(2, 4), seed=st.integers(0, 2**16))
def test_lanczos_finds_the_leading_eigenvalues_of_a_geometric_spectrum(dimension, wanted, seed):
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(2, (dimension,), generator=generator) * 2 - 1
    exact = 2.0 ** -torch.arange(dimension, dtype=torch.float64) * signs
    matrix = symmetric(exact, generator)
    found = lanczos(lambda v: matrix @ v, start(dimension, generator), generator, wanted, tolerance=1e-4)
    assert found.converged
    torch.testing.assert_close(
        torch.tensor(found.eigenvalues, dtype=torch.float64), exact[:wanted], rtol=1e-4, atol=1e-12
    )


@settings(deadline=None, max_examples=60)
@given(dimension=st.integers(2, 80), seed=st.integers(0, 2**16))
def test_a_true_eigenvalue_lies_within_every_residual(dimension, seed):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(dimension, dimension, generator=generator, dtype=torch.float64)
    matrix = matrix + matrix.T
    exact = torch.linalg.eigvalsh(matrix)
    for method in ("lanczos", "power"):
        first = start(dimension, generator)
        if method == "lanczos":
            found = lanczos(lambda v: matrix @ v, first, generator, 3, max_products=7)
        else:
            found = power_iteration(lambda v: matrix @ v, first, max_products=7)
        for value, bound in zip(found.eigenvalues, found.residuals, strict=True):
            assert float((exact - value).abs().min()) <= bound + 1e-9 * float(exact.abs().max())


def test_one_eigenvalue_costs_fewer_products_than_its_residual_alone_would_need(rng):
    exact = torch.cat([torch.tensor([3.0, -2.0, 1.5]), torch.linspace(-1, 1, 297)]).double()
    matrix = symmetric(exact, rng)
    first = start(300, rng)
    quick = lanczos(lambda v: matrix @ v, first, rng)
    assert abs(quick.eigenvalues[0] - 3) <= 3e-3
    by_residual = next(
        i for i, (value, r) in enumerate(quick_history(matrix, first, rng), 1) if r <= 1e-3 * value
    )
    assert quick.num_products < by_residual


def quick_history(matrix, first, generator):
    return lanczos(lambda v: matrix @ v, first, generator, tolerance=1e-8).history


def test_lanczos_goes_on_when_the_krylov_space_is_exhausted(rng):
    matrix = symmetric([4.0, 4.0, 4.0, -1.0, -1.0, 0.0], rng)
    found = lanczos(lambda v: matrix @ v, start(6, rng), rng, num_eigenvalues=6)
    assert found.converged
    assert sorted(found.eigenvalues) == pytest.approx([-1, -1, 0, 4, 4, 4], abs=1e-9)


def test_the_zero_operator_has_the_eigenvalue_zero(rng):
    for found in (
        lanczos(lambda v: 0 * v, start(5, rng), rng),
        power_iteration(lambda v: 0 * v, start(5, rng)),
    ):
        assert found.eigenvalues == (0,)
        assert found.residuals == (0,)
        assert found.converged


def test_float32_vectors_lose_no_more_than_their_own_rounding(rng):
    exact = torch.cat([torch.tensor([10.0, -9.5, 5.0]), torch.rand(997, generator=rng)]).double()
    matrix = symmetric(exact, rng)
    single = matrix.float()
    found = lanczos(lambda v: single @ v, start(1000, rng, torch.float32), rng, 3, tolerance=1e-5)
    assert found.converged
    assert found.eigenvalues == pytest.approx((10, -9.5, 5), rel=2e-6)


def test_a_product_with_nan_is_refused(rng):
    with pytest.raises(Refused, match="not finite"):
        lanczos(lambda v: v / 0, start(3, rng), rng)
    with pytest.raises(Refused, match="not finite"):
        power_iteration(lambda v: v * float("nan"), start(3, rng))
