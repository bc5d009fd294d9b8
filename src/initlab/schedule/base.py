"""What a schedule is: the learning rate as a function of the epoch and the batch alone, warmup included."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from initlab.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Schedule(ABC):
    r"""A factor per epoch, preceded by a warmup per batch (Arpit et al. 2019, Sec. 5).

    During the first ``warmup_epochs`` epochs W of ``num_batches`` batches each, with w the start value,

    .. math:: \eta = w + (\eta_{schedule} - w)\, a^p, \qquad a = (epoch + (i + [w = 0]) / num\_batches) / W.

    Args:
        epochs: length of the training.
        warmup_epochs: W; 0 for none.
        warmup_power: p; 2 as in the paper's code, 1 for the linear warmup of Goyal et al. 2017.
        warmup_start: w, a learning rate.
    """

    epochs: int
    warmup_epochs: int = 0
    warmup_power: int = 2
    warmup_start: float = 0.0

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ConfigError(f"epochs={self.epochs}: must be at least 1")
        if self.warmup_epochs < 0:
            raise ConfigError(f"warmup_epochs={self.warmup_epochs}: must not be negative")
        if self.warmup_power not in (1, 2):
            raise ConfigError(f"schedule.warmup_power={self.warmup_power}: must be 1 or 2")

    @abstractmethod
    def factor(self, epoch: int) -> float:
        """Return the share of the base learning rate in an epoch, counted from 0."""

    def lr(self, base: float, epoch: int, batch: int, num_batches: int) -> float:
        """Return the learning rate of one step; ``base`` is the rate that the run is named by."""
        scheduled = base * self.factor(epoch)
        if epoch >= self.warmup_epochs:
            return scheduled
        start = self.warmup_start
        progress = (epoch + (batch + (start == 0)) / num_batches) / self.warmup_epochs
        return start + (scheduled - start) * progress**self.warmup_power
