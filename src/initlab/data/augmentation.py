"""Crop, flip and cutout of a whole batch by index operations: no loop over images, on any device.

The random numbers of an epoch are drawn before its first batch, one row per example, so that a batch
depends on (seed, epoch) and its place alone, and no batch waits for a transfer to the device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from initlab.errors import ConfigError

PADDING = 4


@dataclass(frozen=True)
class Draws:
    """Random numbers, one row per example in the order of the epoch.

    Args:
        offsets: top and left of the crop in the padded image, ``(N, 2)``, uniform on ``0 .. 2 * PADDING``.
        flips: whether to mirror left and right, ``(N,)``.
        centres: pixel at the centre of the hole, ``(N, 2)``, uniform over the pixels.
    """

    offsets: Tensor
    flips: Tensor
    centres: Tensor

    def __getitem__(self, rows: slice | tuple[slice | Tensor, ...]) -> Draws:
        return Draws(self.offsets[rows], self.flips[rows], self.centres[rows])


@dataclass(frozen=True)
class Augmentation:
    """What is done to training images.

    Args:
        crop_flip: crop of the image's size from the image padded with 4 black pixels, and a mirror image
            with probability 1/2: He et al. 2016, Sec. 4.2.
        cutout: a square of zeros, after normalization: DeVries & Taylor 2017.
        cutout_length: side of the square, in pixels; parts outside the image are lost.
    """

    crop_flip: bool = False
    cutout: bool = False
    cutout_length: int = 16

    def __post_init__(self) -> None:
        if self.cutout and (not isinstance(self.cutout_length, int) or self.cutout_length < 1):
            raise ConfigError(f"data.cutout_length={self.cutout_length}: must be a positive whole number")

    def draw(self, count: int, height: int, width: int, rng: Generator, device: torch.device) -> Draws:
        """Draw the numbers of ``count`` images on the CPU; which of them are used changes none of them."""
        return Draws(
            torch.randint(2 * PADDING + 1, (count, 2), generator=rng).to(device),
            (torch.rand(count, generator=rng) < 0.5).to(device),
            torch.stack([torch.randint(side, (count,), generator=rng) for side in (height, width)], dim=1).to(
                device
            ),
        )

    def move(self, stored: Tensor, draws: Draws) -> Tensor:
        """Crop and mirror stored images ``(N, C, H, W)``."""
        return crop_and_flip(stored, draws.offsets, draws.flips) if self.crop_flip else stored

    def hide_(self, inputs: Tensor, draws: Draws) -> Tensor:
        """Cut the hole into normalized images ``(N, C, H, W)``, in place."""
        if self.cutout:
            height, width = inputs.shape[-2:]
            inputs.masked_fill_(hole(draws.centres, self.cutout_length, height, width), 0.0)
        return inputs


def crop_and_flip(images: Tensor, offsets: Tensor, flips: Tensor, padding: int = PADDING) -> Tensor:
    """Crop each image from its padded self at its offset, then mirror it where told: one gather.

    Args:
        images: ``(N, C, H, W)``.
        offsets: ``(N, 2)``, top and left in the padded image; ``(padding, padding)`` gives the image back.
        flips: ``(N,)`` booleans.
        padding: black pixels on each side.
    """
    count, channels, height, width = images.shape
    down = torch.arange(height, device=images.device)
    right = torch.arange(width, device=images.device)
    rows = offsets[:, :1] + down
    columns = offsets[:, 1:] + torch.where(flips[:, None], width - 1 - right, right)
    pixels = (rows[:, :, None] * (width + 2 * padding) + columns[:, None, :]).view(count, 1, height * width)
    padded = F.pad(images, (padding,) * 4).flatten(2)
    return padded.gather(2, pixels.expand(-1, channels, -1)).view_as(images)


def hole(centres: Tensor, length: int, height: int, width: int) -> Tensor:
    """Say which pixels a square hides: ``(N, 1, H, W)`` booleans, the square clipped at the border."""
    top = centres - length // 2
    down = torch.arange(height, device=centres.device) - top[:, :1]
    right = torch.arange(width, device=centres.device) - top[:, 1:]
    inside_rows, inside_columns = ((side >= 0) & (side < length) for side in (down, right))
    return (inside_rows[:, :, None] & inside_columns[:, None, :])[:, None]
