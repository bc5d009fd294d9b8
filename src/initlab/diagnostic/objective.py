"""Losses that give one number per sample: the curvature of a network depends on what stands on top of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from initlab.diagnostic.checks import check_choice

SampleLoss = Callable[[Tensor, Tensor], Tensor]  # outputs (N, ...), labels (N,) -> (N,)
LossName = Literal["cross_entropy", "random_quadratic"]


def sample_loss(name: str, num_outputs: int, generator: Generator) -> SampleLoss:
    """Make the loss of that name.

    Args:
        name: ``cross_entropy``, in nats; or ``random_quadratic``, ``y^T R y`` with R of independent N(0, 1)
            entries, the same for all samples (Defazio & Bottou, Sec. 3.1, Fig. 2).
        num_outputs: of one sample.
        generator: draws R.

    Raises:
        ConfigError: there is no loss of that name.
    """
    check_loss(name)
    if name == "cross_entropy":
        return lambda outputs, labels: F.cross_entropy(outputs, labels, reduction="none")
    matrix = torch.randn(num_outputs, num_outputs, generator=generator, dtype=torch.float64)

    def quadratic(outputs: Tensor, labels: Tensor) -> Tensor:
        flat = outputs.flatten(1)
        return (flat @ matrix.to(flat) * flat).sum(dim=1)

    return quadratic


def check_loss(name: str) -> None:
    """Refuse a name that no loss has."""
    check_choice("gr_scaling.loss", name, ("cross_entropy", "random_quadratic"))
