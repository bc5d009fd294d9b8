import pytest

from initlab.errors import ConfigError
from initlab.schedule.step import Step


def test_drops_where_the_code_of_the_weight_norm_paper_does() -> None:
    schedule = Step(epochs=500)
    rates = [schedule.lr(1.0, epoch, 0, 1) for epoch in (0, 166, 167, 333, 334, 499)]
    assert rates == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01, 0.01])


def test_drops_every_step_size() -> None:
    schedule = Step(epochs=150, step_size=30, decay=0.1)
    assert [schedule.factor(epoch) for epoch in (29, 30, 60, 149)] == pytest.approx([1, 0.1, 0.01, 1e-4])


def test_refuses_a_step_of_nothing() -> None:
    with pytest.raises(ConfigError, match="step_size=0"):
        Step(epochs=3, step_size=0)
