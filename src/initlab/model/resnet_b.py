"""ResNet (B) of the RISOTTO paper: identity skips wherever the sizes allow."""

from __future__ import annotations

from initlab.model.residual_relu import ResidualRelu


class ResnetB(ResidualRelu):
    """Type B blocks, with the identity on the skip, and Type C blocks where width or stride change.

    The arguments are those of :class:`ResidualRelu`.

    Differs from the paper: its text speaks of Type B blocks in both cases; a block that changes sizes cannot
    have an identity on its skip, so it is of Type C.
    """

    def projects(self, in_channels: int, out_channels: int, stride: int) -> bool:
        """Whether width or stride change."""
        return in_channels != out_channels or stride != 1
