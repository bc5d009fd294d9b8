import pytest

from initlab.errors import ConfigError
from initlab.schedule.multistep import Multistep


def test_each_milestone_counts_once() -> None:
    schedule = Multistep(epochs=200)
    assert [schedule.factor(e) for e in (59, 60, 120, 160)] == pytest.approx([1, 0.2, 0.04, 0.008])


def test_milestones_must_increase() -> None:
    with pytest.raises(ConfigError, match="must increase"):
        Multistep(epochs=200, milestones=[60, 60])
