"""Random matrices, drawn on the CPU in float64 from the generator given and from nothing else.

Drawing in float64 and rounding to the parameter's type afterwards gives a seed the same weights in every
precision and on every device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from initlab.errors import ConfigError

Distribution = Literal["normal", "uniform"]
_standing_in = False


@contextmanager
def stand_ins() -> Iterator[None]:
    """Draw weights in this block that cost next to nothing: for asking whether an init fits a network.

    They have the shape, the scale, and for :func:`orthogonal` the orthogonality of real ones, no row of
    zeros, and few independent entries.
    """
    global _standing_in
    before, _standing_in = _standing_in, True
    try:
        yield
    finally:
        _standing_in = before


def normal(shape: tuple[int, ...], std: float, generator: Generator) -> Tensor:
    """Independent normal entries of mean 0 and standard deviation ``std``."""
    if _standing_in:
        return _outer(shape, std, generator)
    return std * torch.randn(shape, generator=generator, dtype=torch.float64)


def uniform(shape: tuple[int, ...], bound: float, generator: Generator) -> Tensor:
    """Independent entries, uniform on ``[-bound, bound]``."""
    if _standing_in:
        return _outer(shape, bound / 3**0.5, generator)
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
    if _standing_in:
        return _reflection(shape, generator)
    return nn.init.orthogonal_(matrix, generator=generator)


def _outer(shape: tuple[int, ...], std: float, generator: Generator) -> Tensor:
    """Products of one normal number for each row and one for each column."""
    rows = torch.randn(shape[0], 1, generator=generator, dtype=torch.float64)
    columns = torch.randn(1, prod(shape[1:]), generator=generator, dtype=torch.float64)
    return std * (rows * columns).reshape(shape)


def _reflection(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """The first rows, or columns, of a random Householder reflection ``I - 2 v v'``."""
    rows, columns = shape[0], prod(shape[1:])
    short, long = sorted((rows, columns))
    v = nn.functional.normalize(torch.randn(long, generator=generator, dtype=torch.float64), dim=0)
    matrix = torch.eye(short, long, dtype=torch.float64).addr_(v[:short], v, alpha=-2)
    return (matrix if rows <= columns else matrix.T).reshape(shape)
