import pytest

from initlab.schedule.cosine import Cosine


def test_falls_from_one_through_a_half_towards_zero() -> None:
    schedule = Cosine(epochs=100)
    factors = [schedule.factor(epoch) for epoch in range(101)]
    assert factors[0] == 1.0
    assert factors[50] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0.0)
    assert factors == sorted(factors, reverse=True)
