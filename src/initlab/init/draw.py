"""Random matrices, drawn on the CPU in float64 from the generator given and from nothing else.

Drawing in float64 and rounding to the parameter's type afterwards gives a seed the same weights in every
precision and on every device.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor, nn

from initlab.errors import ConfigError

Distribution = Literal["normal", "uniform"]


def normal(shape: tuple[int, ...], std: float, generator: Generator) -> Tensor:
    """Independent normal entries of mean 0 and standard deviation ``std``."""
    return std * torch.randn(shape, generator=generator, dtype=torch.float64)


def uniform(shape: tuple[int, ...], bound: float, generator: Generator) -> Tensor:
    """Independent entries, uniform on ``[-bound, bound]``."""
    return bound * (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1)


def he(shape: tuple[int, ...], fan: int, distribution: Distribution, generator: Generator) -> Tensor:
    """Independent entries of variance ``2 / fan``, normal or uniform (He et al. 2015)."""
    if distribution == "normal":
        return normal(shape, (2 / fan) ** 0.5, generator)
    return uniform(shape, (6 / fan) ** 0.5, generator)


def check_distribution(distribution: str) -> None:
    """Refuse a distribution that :func:`he` has not."""
    if distribution not in ("normal", "uniform"):
        raise ConfigError(f"init.distribution={distribution}: must be normal or uniform")


def orthogonal(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """A Haar-distributed (semi-)orthogonal matrix of shape ``(out, prod(rest))``, reshaped to ``shape``.

    Wide matrices have orthonormal rows, tall ones orthonormal columns.
    """
    matrix = torch.empty(shape, dtype=torch.float64)
    if len(shape) < 2:
        raise ValueError(f"an orthogonal matrix has at least two dimensions, not shape {shape}")
    return nn.init.orthogonal_(matrix, generator=generator)
