"""Norms that neither overflow nor vanish: logarithms of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def log_norms(tensor: Tensor, num_rows: int) -> Tensor:
    """Natural logarithm of the Euclidean norm of each row, float64 ``(num_rows,)``; -inf for a row of zeros.

    Each row is divided by its largest entry before it is squared: 1e-31 is not 0.
    """
    rows = tensor.detach().reshape(num_rows, -1)
    peak = rows.abs().amax(dim=1).double()
    scale = torch.where((peak > 0) & torch.isfinite(peak), peak, torch.ones_like(peak))
    scaled = torch.linalg.vector_norm(rows.double() / scale[:, None], dim=1)
    return (scaled.log() + scale.log()).cpu()


def log_norm(tensor: Tensor) -> float:
    """Natural logarithm of the Euclidean norm of a whole tensor."""
    return float(log_norms(tensor, 1))


def norm_of(tensor: Tensor) -> float:
    """Euclidean norm of a whole tensor."""
    return math.exp(log_norm(tensor))


def finite(value: float) -> float | None:
    """Return the number, or None for NaN and infinity, which JSON cannot hold."""
    return value if math.isfinite(value) else None
