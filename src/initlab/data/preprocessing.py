"""From stored values to the network's inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Preprocessing:
    r"""Map stored values to :math:`(x / \mathrm{scale} - \mathrm{mean}) / \mathrm{std}` in float32.

    Args:
        scale: the largest stored value, 255 for ``uint8`` images; 1 for features.
        mean: of each channel or feature, after the scaling.
        std: of each channel or feature, after the scaling.
    """

    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __call__(self, stored: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` or ``(N, D)`` values to fresh float inputs of the same shape."""
        return self.on(stored.device)(stored)

    def on(self, device: torch.device) -> Callable[[Tensor], Tensor]:
        """Give the map with its constants on a device, so that no batch waits for their transfer."""
        mean, std = (torch.tensor(row, dtype=torch.float32, device=device) for row in (self.mean, self.std))

        def apply(stored: Tensor) -> Tensor:
            shape = (-1, *[1] * (stored.dim() - 2))
            inputs = stored.to(torch.float32, copy=True)
            return inputs.div_(self.scale).sub_(mean.view(shape)).div_(std.view(shape))

        return apply

    @classmethod
    def measured(cls, stored: Tensor, scale: float = 1.0) -> Preprocessing:
        """Take mean and deviation of each channel or feature from data; constant ones are centred."""
        dims = [0, *range(2, stored.dim())]
        count = stored.numel() // stored.shape[1]
        chunks = stored.split(1024)  # a float64 copy of a whole data set would be eight times its size
        mean = sum((chunk.sum(dims, dtype=torch.float64) for chunk in chunks), start=torch.zeros(())) / count
        row = mean.view(-1, *[1] * (stored.dim() - 2))
        squares = sum(((chunk - row).square().sum(dims) for chunk in chunks), start=torch.zeros(()))
        std = (squares / count).sqrt()
        std[std == 0] = scale
        return cls(scale, tuple((mean / scale).tolist()), tuple((std / scale).tolist()))
