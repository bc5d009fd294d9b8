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
        columns = stored.transpose(0, 1).flatten(1) if stored.dim() > 2 else stored.T
        if (
            stored.dtype == torch.uint8
        ):  # from the histogram: exact, and without a copy of eight times the size
            counts = torch.stack([torch.bincount(column, minlength=256) for column in columns]).double()
            values, weights = torch.arange(256).double().expand_as(counts), counts / columns.shape[1]
        else:
            values, weights = columns.double(), torch.tensor(1 / columns.shape[1], dtype=torch.float64)
        mean = (weights * values).sum(1)
        std = (weights * (values - mean[:, None]).square()).sum(1).sqrt()
        std[columns.amin(1) == columns.amax(1)] = scale
        return cls(scale, tuple((mean / scale).tolist()), tuple((std / scale).tolist()))
