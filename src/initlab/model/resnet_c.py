"""ResNet (C) of the RISOTTO paper: a projection on every skip."""

from __future__ import annotations

from initlab.model.residual_relu import ResidualRelu


class ResnetC(ResidualRelu):
    """Type C blocks: every skip is a 1x1 convolution.

    The arguments are those of :class:`ResidualRelu`.
    """

    def projects(self, in_channels: int, out_channels: int, stride: int) -> bool:
        """Always."""
        return True
