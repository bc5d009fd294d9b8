import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from initlab.diagnostic.spectrum import Derivative, golub_kahan, spectrum
from initlab.init.draw import orthogonal


def with_values(values: list[float], rows: int, columns: int, rng: torch.Generator) -> Tensor:
    """Make a matrix with these singular values."""
    diagonal = torch.zeros(rows, columns, dtype=torch.float64)
    for index, value in enumerate(values):
        diagonal[index, index] = value
    return orthogonal((rows, rows), rng) @ diagonal @ orthogonal((columns, columns), rng)


def network(seed: int, sizes: tuple[int, ...]) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = [m for i, o in itertools.pairwise(sizes) for m in (nn.Linear(i, o), nn.ReLU())]
    return nn.Sequential(*layers[:-1]).double()


@given(
    seed=st.integers(0, 2**16), inputs=st.integers(1, 9), outputs=st.integers(1, 9), chunk=st.integers(1, 5)
)
@settings(max_examples=25, deadline=None)
def test_the_matrix_is_the_jacobian_of_torch_whether_by_rows_or_by_columns(seed, inputs, outputs, chunk):
    model = network(seed, (inputs, 7, outputs))
    point = torch.randn(1, inputs, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    derivative = Derivative(model, point)
    expected = torch.func.jacrev(lambda x: model(x[None])[0])(point[0])
    torch.testing.assert_close(derivative.matrix(chunk), expected)
    v, u = torch.randn(inputs, dtype=torch.float64), torch.randn(outputs, dtype=torch.float64)
    torch.testing.assert_close(derivative.forward(v), expected @ v)
    torch.testing.assert_close(derivative.adjoint(u), expected.T @ u)


@pytest.mark.parametrize("outputs", [4, 12])
def test_masks_keep_rows_and_columns(outputs, rng):
    model, point = network(0, (8, outputs)), torch.randn(1, 8, generator=rng, dtype=torch.float64)
    into, out_of = torch.arange(8) % 2 == 0, torch.arange(outputs) % 3 == 0
    derivative = Derivative(model, point, into, out_of)
    expected = model[0].weight.detach()[out_of][:, into]
    torch.testing.assert_close(derivative.matrix(3), expected)
    assert derivative.shape == tuple(expected.shape)


@given(
    values=st.lists(st.sampled_from([0.0, 0.25, 1.0, 1.5, 2.0]), min_size=1, max_size=12),
    extra=st.integers(0, 6),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=50, deadline=None)
def test_lanczos_ends_with_exactly_the_distinct_singular_values(values, extra, seed):
    rng = torch.Generator().manual_seed(seed)
    matrix = with_values(values, len(values) + extra, len(values), rng)
    start = torch.randn(len(values), generator=rng, dtype=torch.float64)
    found, residuals = golub_kahan(matrix.mv, matrix.T.mv, start, steps=12, tolerance=1e-10)
    assert found.tolist() == pytest.approx(sorted(set(values), reverse=True), abs=1e-8)
    assert float(residuals.max()) < 1e-8


@given(seed=st.integers(0, 2**16), steps=st.integers(1, 20))
@settings(max_examples=25, deadline=None)
def test_a_singular_value_lies_within_each_residual(seed, steps):
    rng = torch.Generator().manual_seed(seed)
    matrix = torch.randn(60, 40, generator=rng, dtype=torch.float64)
    exact = torch.linalg.svdvals(matrix)
    found, residuals = golub_kahan(
        matrix.mv, matrix.T.mv, torch.randn(40, generator=rng, dtype=torch.float64), steps
    )
    for value, residual in zip(found, residuals, strict=True):
        assert float((exact - value).abs().min()) <= float(residual) + 1e-12
    assert float(found[0]) <= float(exact[0]) + 1e-12
    assert float(found[-1]) >= float(exact[-1]) - 1e-12


@pytest.mark.parametrize("shape", [(30, 50), (50, 30)])
def test_lanczos_finds_the_largest_value_of_a_network_and_says_what_it_does_not_know(shape, rng):
    model, point = network(1, shape), torch.randn(1, shape[0], generator=rng, dtype=torch.float64)
    derivative = Derivative(model, point)
    exact = spectrum(derivative, "exact", rng)
    found = spectrum(derivative, "lanczos", rng, steps=18)
    assert found.sigma_max == pytest.approx(exact.sigma_max, rel=1e-4)
    assert abs(found.sigma_max - exact.sigma_max) <= found.residual_max
    assert (found.sigma_min, found.num_zero, found.root_mean_square) == (None, None, None)
    assert exact.sigma_min <= found.sigma_min_bound
    assert exact.root_mean_square == pytest.approx(model[0].weight.norm().item() / math.sqrt(30))
    whole = spectrum(derivative, "lanczos", rng, steps=30)
    assert whole.sigma_min == pytest.approx(exact.sigma_min, rel=1e-6)


@pytest.mark.parametrize("shape", [(6, 9), (9, 6)])
def test_zeros_are_counted_among_the_smaller_side(shape, rng):
    layer = nn.Linear(*shape, bias=False).double()
    layer.weight.data.copy_(with_values([2.0, 1.0, 1.0, 1.0], shape[1], shape[0], rng))
    exact = spectrum(Derivative(layer, torch.zeros(1, shape[0], dtype=torch.float64)), "exact", rng)
    assert (exact.num_zero, len(exact.values)) == (2, 6)
    assert spectrum(
        Derivative(layer, torch.zeros(1, shape[0]).double()), "lanczos", rng
    ).sigma_min == pytest.approx(0)


def test_auto_is_exact_up_to_the_limit(rng):
    derivative = Derivative(network(0, (8, 10)), torch.zeros(1, 8, dtype=torch.float64))
    assert spectrum(derivative, "auto", rng, exact_limit=8).exact
    assert not spectrum(derivative, "auto", rng, exact_limit=7).exact


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
@pytest.mark.parametrize("method", ["exact", "lanczos"])
def test_a_map_that_ignores_its_input_has_only_zeros(method, shape, rng):
    def constant(inputs: Tensor) -> Tensor:
        return torch.ones(len(inputs), shape[1], dtype=torch.float64)

    found = spectrum(Derivative(constant, torch.ones(1, shape[0], dtype=torch.float64)), method, rng)
    assert (found.sigma_max, found.sigma_min) == (0, 0)
    assert found.num_zero == (3 if method == "exact" else None)


@pytest.mark.parametrize("method", ["exact", "lanczos"])
def test_a_derivative_that_is_not_finite_has_no_spectrum(method, rng):
    found = spectrum(Derivative(lambda x: torch.sqrt(x - 1), torch.ones(1, 3)), method, rng)
    assert (found.sigma_max, found.num_zero) == (None, None)


def test_no_units_have_no_spectrum(rng):
    derivative = Derivative(nn.Linear(3, 4), torch.zeros(1, 3), into=torch.zeros(3, dtype=torch.bool))
    found = spectrum(derivative, "auto", rng)
    assert (found.values, found.sigma_max, found.num_zero) == ((), None, 0)
