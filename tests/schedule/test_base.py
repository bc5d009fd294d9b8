"""Warmup: the numbers of the paper's code (350 batches and 5 epochs give the values of Arpit et al. 2019)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initlab.errors import ConfigError
from initlab.schedule.constant import Constant


def test_quadratic_warmup_takes_the_values_of_the_papers_code() -> None:
    schedule = Constant(epochs=10, warmup_epochs=5)
    lr = lambda epoch, batch: schedule.lr(0.1, epoch, batch, 352)  # noqa: E731
    assert lr(0, 0) == pytest.approx(3.228e-8, rel=1e-3)
    assert lr(0, 351) == pytest.approx(0.004)
    assert lr(2, 175) == pytest.approx(0.025)
    assert lr(4, 351) == pytest.approx(0.1)
    assert lr(5, 0) == 0.1


@given(power=st.sampled_from([1, 2]), start=st.floats(0, 0.05), batches=st.integers(2, 50))
def test_warmup_rises_from_its_start_to_the_base_rate(power: int, start: float, batches: int) -> None:
    schedule = Constant(epochs=3, warmup_epochs=2, warmup_power=power, warmup_start=start)
    rates = [schedule.lr(0.1, epoch, batch, batches) for epoch in range(3) for batch in range(batches)]
    assert rates == sorted(rates)
    assert rates[0] >= start
    assert rates[-1] == pytest.approx(0.1)


def test_linear_warmup_is_linear() -> None:
    schedule = Constant(epochs=3, warmup_epochs=1, warmup_power=1)
    assert [schedule.lr(1.0, 0, batch, 4) for batch in range(4)] == pytest.approx([0.25, 0.5, 0.75, 1.0])


@pytest.mark.parametrize("arguments", [{"epochs": 0}, {"warmup_epochs": -1}, {"warmup_power": 3}])
def test_impossible_settings_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(arguments))):
        Constant(**{"epochs": 1, **arguments})
