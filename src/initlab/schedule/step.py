"""Decay by a factor at regular steps."""

from dataclasses import dataclass
from math import ceil

from initlab.errors import ConfigError
from initlab.schedule.base import Schedule


@dataclass(frozen=True, kw_only=True)
class Step(Schedule):
    """Multiply the rate by ``decay`` every ``step_size`` epochs.

    Args:
        step_size: epochs between drops; None drops at a third and at two thirds of the training, as the
            code of Arpit et al. 2019 does for MLPs and plain CNNs (500 epochs: at 167 and 334).
        decay: factor of each drop.
    """

    step_size: int | None = None
    decay: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step_size is not None and self.step_size < 1:
            raise ConfigError(f"schedule.step_size={self.step_size}: must be at least 1")

    def factor(self, epoch: int) -> float:
        """Return the share of the base rate in an epoch."""
        return float(self.decay ** (epoch // (self.step_size or ceil(self.epochs / 3))))
