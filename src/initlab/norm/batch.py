"""Batch normalization: Ioffe & Szegedy 2015."""

from dataclasses import dataclass

from torch import nn

from initlab.errors import ConfigError
from initlab.norm.base import Norm


@dataclass(frozen=True)
class Batch(Norm):
    """Normalize each channel over the batch; where, is the network's choice.

    Args:
        momentum: share of the newest batch in the running statistics.
        eps: added to the variance.
    """

    momentum: float = 0.1
    eps: float = 1e-5

    def __post_init__(self) -> None:
        if not 0 <= self.momentum <= 1:
            raise ConfigError(f"norm.momentum={self.momentum}: must be in [0, 1]")
        if not self.eps > 0:
            raise ConfigError(f"norm.eps={self.eps}: must be positive")

    def activation(self, num_features: int, spatial: bool = True) -> nn.Module:
        """Make the module for ``(N, C, H, W)`` activations, or for ``(N, C)`` when not ``spatial``."""
        kind = nn.BatchNorm2d if spatial else nn.BatchNorm1d
        return kind(num_features, momentum=self.momentum, eps=self.eps)
