"""Random matrices, drawn on the CPU in float64 from the generator given and from nothing else.

Drawing in float64 and rounding to the parameter's type afterwards gives a seed the same weights in every
precision and on every device.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn


def normal(shape: tuple[int, ...], std: float, generator: Generator) -> Tensor:
    """Independent normal entries of mean 0 and standard deviation ``std``."""
    return std * torch.randn(shape, generator=generator, dtype=torch.float64)


def uniform(shape: tuple[int, ...], bound: float, generator: Generator) -> Tensor:
    """Independent entries, uniform on ``[-bound, bound]``."""
    return bound * (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1)


def orthogonal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """A Haar-distributed (semi-)orthogonal matrix of shape ``(out, prod(rest))``, reshaped to ``shape``.

    Wide matrices have orthonormal rows, tall ones orthonormal columns.
    """
    matrix = torch.empty(shape, dtype=torch.float64)
    if len(shape) < 2:
        raise ValueError(f"an orthogonal matrix has at least two dimensions, not shape {shape}")
    return nn.init.orthogonal_(matrix, generator=generator)
