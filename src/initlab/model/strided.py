"""Pieces of the strided networks of Defazio & Bottou: layers that keep the size or halve it, then a ReLU."""

from __future__ import annotations

from torch import nn

from initlab.errors import ConfigError
from initlab.model.base import PaddingMode, check_padding_mode
from initlab.norm.base import Norm


def conv_relu(
    in_channels: int, out_channels: int, kernel_size: int, stride: int, padding_mode: PaddingMode, norm: Norm
) -> list[nn.Module]:
    """Convolution that maps ``side`` to ``ceil(side / stride)`` pixels (odd kernels), norm if any, ReLU."""
    check_padding_mode(padding_mode)
    layer = nn.Conv2d(
        in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, padding_mode=padding_mode
    )
    return [norm.wrap(layer), *present(norm.activation(out_channels)), nn.ReLU()]


def linear_relu(in_features: int, out_features: int, norm: Norm) -> list[nn.Module]:
    """Linear layer, norm if any, ReLU."""
    layer = nn.Linear(in_features, out_features)
    return [norm.wrap(layer), *present(norm.activation(out_features, spatial=False)), nn.ReLU()]


def present(module: nn.Module | None) -> list[nn.Module]:
    """List the module, or nothing for None."""
    return [] if module is None else [module]


def widened(units: int, widen_factor: float) -> int:
    """Return ``units * widen_factor``, rounded, at least 1."""
    if not widen_factor > 0:
        raise ConfigError(f"model.widen_factor={widen_factor}: must be positive")
    return max(1, round(units * widen_factor))
