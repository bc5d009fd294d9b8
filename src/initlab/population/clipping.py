"""Gradient clipping of a population: what :mod:`initlab.training.clipping` does, network by network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Clip = Callable[[Tensor], Tensor]
"""Bounds gradients ``(K, P)``, a row for each network."""


def by_norm(max_norm: float) -> Clip:
    """Shrink each network's gradient so that its Euclidean norm is at most ``max_norm``.

    The factor is that of ``torch.nn.utils.clip_grad_norm_``.
    """

    def clip(gradients: Tensor) -> Tensor:
        norms = torch.linalg.vector_norm(gradients, dim=1, keepdim=True)
        return gradients * (max_norm / (norms + 1e-6)).clamp(max=1.0)

    return clip


def unclipped(gradients: Tensor) -> Tensor:
    """Leave gradients as they are."""
    return gradients
