import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from initlab.init import draw


@given(rows=st.integers(1, 12), columns=st.integers(1, 12), seed=st.integers(0, 2**16))
@settings(max_examples=40, deadline=None)
def test_an_orthogonal_matrix_has_orthonormal_rows_or_columns(rows, columns, seed):
    matrix = draw.orthogonal((rows, columns), torch.Generator().manual_seed(seed))
    gram = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    torch.testing.assert_close(gram, torch.eye(len(gram), dtype=torch.float64), rtol=0, atol=1e-12)


def test_the_rows_of_a_tall_matrix_are_no_unit_vectors(rng):
    norms = draw.orthogonal((32, 16), rng).norm(dim=1)
    assert float(norms.min()) < 0.9 < 1 / float(norms.max())  # a share of 16/32 of the squares each


def test_normal_and_uniform_entries_have_the_moments_asked_for(rng):
    normal, uniform = draw.normal((200, 200), 3.0, rng), draw.uniform((200, 200), 3.0, rng)
    # 40000 entries: relative standard error .7% of the variances.
    assert float(normal.var()) == pytest.approx(9, rel=0.03)
    assert float(uniform.var()) == pytest.approx(9 / 3, rel=0.03)
    assert float(uniform.abs().max()) <= 3


@pytest.mark.parametrize("kind", [draw.orthogonal, lambda s, g: draw.normal(s, 1.0, g)])
def test_draws_are_float64_and_repeat_with_the_seed(kind):
    first, again, other = (kind((5, 4, 3, 3), torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert first.dtype is torch.float64
    assert first.shape == (5, 4, 3, 3)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_vector_is_no_orthogonal_matrix(rng):
    with pytest.raises(ValueError, match="at least two dimensions"):
        draw.orthogonal((3,), rng)


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_he_entries_have_variance_two_over_the_fan(distribution, rng):
    draws = draw.he((200, 200), 50, distribution, rng)
    assert float(draws.square().mean()) == pytest.approx(2 / 50, rel=0.03)  # half with a gain of 1
    assert (float(draws.abs().max()) <= (6 / 50) ** 0.5) is (distribution == "uniform")
