"""One batch normalization in the whole network: RISOTTO, Sec. 4 and App. A.5, Fig. 4 to 7 and 12."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from initlab.errors import ConfigError
from initlab.norm.base import Norm, Place


@dataclass(frozen=True)
class BatchSingle(Norm):
    """Normalize each channel over the batch at one place of a network, and nowhere else.

    Args:
        position: ``first`` (after the stem's convolution, before the blocks), ``middle`` (after half of the
            blocks) or ``last`` (after the last block, before pooling). In a plain network the same of its
            hidden layers, before their ReLUs.
        momentum: share of the newest batch in the running statistics.
        eps: added to the variance.
    """

    position: Place = "last"
    momentum: float = 0.1
    eps: float = 1e-5

    def __post_init__(self) -> None:
        if self.position not in ("first", "middle", "last"):
            raise ConfigError(f"norm.position={self.position}: must be first, middle or last")

    def placement(self, place: Place, num_features: int, spatial: bool = True) -> nn.Module | None:
        """Make the module at the place chosen, None at the others."""
        if place != self.position:
            return None
        kind = nn.BatchNorm2d if spatial else nn.BatchNorm1d
        return kind(num_features, momentum=self.momentum, eps=self.eps)
