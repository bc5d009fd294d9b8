"""Numbers as a table shows them."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from initlab.report.measure import digits, with_spread

SIZES = st.floats(1e-12, 1e12, allow_nan=False) | st.floats(-1e12, -1e-12)


@given(SIZES)
def test_a_number_keeps_three_digits(value: float) -> None:
    assert float(digits(value)) == pytest.approx(value, rel=5.1e-3)


@given(SIZES | st.just(0.0), st.floats(1e-14, 1e12))
@example(1000.0, 0.5)  # a half is rounded to the even number
@example(1.0, 5e-7)
def test_no_spread_is_written_as_none(middle: float, spread: float) -> None:
    written, beside = with_spread(middle, spread).split(" ± ")
    assert float(beside) > 0
    assert float(beside) == pytest.approx(spread, rel=0.5, abs=0.006 * abs(middle))
    assert float(written) == pytest.approx(middle, rel=5.1e-3, abs=spread)


@given(SIZES, st.floats(0, 1e12))
def test_a_number_is_short(middle: float, spread: float) -> None:
    for word in with_spread(middle, min(spread, abs(middle))).split(" ± "):
        assert len(re.sub(r"e[+-]\d+$", "", word).lstrip("-").replace(".", "").lstrip("0")) <= 9


@pytest.mark.parametrize(
    ("middle", "spread", "written"),
    [
        (92.73, 0.42, "92.7 ± 0.4"),
        (92.73, 0.032, "92.73 ± 0.03"),
        (0.00123, 0.00034, "0.00123 ± 0.00034"),
        (0.9001, 0.0912, "0.900 ± 0.091"),
        (5.0, 0.0, "5.00 ± 0.00"),
        (0.0, 0.0, "0.0 ± 0.0"),
        (5.2, 12.34, "5.2 ± 12.3"),
        (-0.0004, 1.2, "0.00 ± 1.20"),
        (1.0, 3.2e-11, "1.000000 ± 3e-11"),
        (12345.6, 78.9, "12346 ± 79"),
    ],
)
def test_a_middle_and_its_spread_have_the_same_decimals(middle: float, spread: float, written: str) -> None:
    assert with_spread(middle, spread) == written


def test_a_negative_number_that_rounds_to_nothing_has_no_sign() -> None:
    assert digits(-0.004, like=1.0) == "0.00"
