"""Half a cosine from the base rate to 0: Loshchilov & Hutter 2017, without restarts."""

from dataclasses import dataclass
from math import cos, pi

from initlab.schedule.base import Schedule


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """Decay by :math:`(1 + cos(pi epoch / epochs)) / 2`, epoch by epoch."""

    def factor(self, epoch: int) -> float:
        """Return the share of the base rate in an epoch."""
        return (1 + cos(pi * epoch / self.epochs)) / 2
