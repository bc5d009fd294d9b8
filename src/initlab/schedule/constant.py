"""The same learning rate throughout."""

from dataclasses import dataclass

from initlab.schedule.base import Schedule


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """No decay."""

    def factor(self, epoch: int) -> float:
        """Return 1."""
        return 1.0
