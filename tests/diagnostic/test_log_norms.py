import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from initlab.diagnostic.log_norms import finite, log_norms, norm_of


@given(
    rows=st.integers(1, 4),
    exponent=st.integers(-300, 300),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=40, deadline=None)
def test_log_norms_are_exact_far_beyond_where_squares_live(rows, exponent, seed):
    tensor = torch.randn(rows, 3, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    expected = tensor.flatten(1).norm(dim=1).log() + exponent * math.log(10)
    torch.testing.assert_close(log_norms(tensor * 10.0**exponent, rows), expected)


def test_norms_of_zero_and_of_infinity_are_what_they_are():
    assert norm_of(torch.zeros(3)) == 0
    assert norm_of(torch.tensor([1.0, math.inf])) == math.inf
    assert math.isnan(norm_of(torch.tensor([1.0, math.nan])))
    assert norm_of(torch.full((4,), 1e-40)) == pytest.approx(2e-40, rel=1e-4)
    assert finite(math.inf) is None
    assert finite(2.0) == 2.0
