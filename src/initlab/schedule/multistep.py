"""Decay by a factor at given epochs."""

from collections.abc import Sequence
from dataclasses import dataclass

from initlab.errors import ConfigError
from initlab.schedule.base import Schedule


@dataclass(frozen=True, kw_only=True)
class Multistep(Schedule):
    """Multiply the rate by ``decay`` at each of the ``milestones``.

    Args:
        milestones: epochs, counted from 0, from which on one more drop counts.
        decay: factor of each drop.
    """

    milestones: Sequence[int] = (60, 120, 160)
    decay: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ConfigError(f"schedule.milestones={list(self.milestones)}: must increase")

    def factor(self, epoch: int) -> float:
        """Return the share of the base rate in an epoch."""
        return float(self.decay ** sum(epoch >= milestone for milestone in self.milestones))
