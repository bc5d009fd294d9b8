"""The strided networks of Defazio & Bottou: layers that keep the size or halve it, each with a ReLU."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from initlab.errors import ConfigError
from initlab.model.base import PaddingMode, check_images, check_padding_mode
from initlab.model.chain import Chain
from initlab.model.in_turn import InTurn
from initlab.norm.base import Norm


class Strided(Chain, ABC):
    """Convolutions and linear layers with strides in place of pooling, and a linear head.

    Args:
        padding_mode: ``circular`` or ``zeros``.
        widen_factor: multiplies every number of hidden channels and units.
        layer_scales: fixed multipliers at every layer, see :class:`~initlab.model.chain.Chain`.
        input_shape: of one image, ``(C, H, W)``.
        num_classes: number of logits.
        norm: normalization of the hidden layers.

    Raises:
        ConfigError: an option is none of the choices, or the inputs are no images.
    """

    name: ClassVar[str]
    widths: ClassVar[tuple[int, ...]]  # channels and units of the hidden layers

    def __init__(
        self,
        padding_mode: PaddingMode = "circular",
        widen_factor: float = 1.0,
        layer_scales: bool = False,
        *,
        input_shape: Sequence[int],
        num_classes: int,
        norm: Norm,
    ) -> None:
        check_images(self.name, input_shape)
        widths = [widened(units, widen_factor) for units in self.widths]
        hidden = self.layers(input_shape, widths, padding_mode, InTurn(norm, len(widths)))
        super().__init__(hidden, nn.Linear(widths[-1], num_classes), layer_scales)

    @staticmethod
    @abstractmethod
    def layers(
        input_shape: Sequence[int], widths: Sequence[int], padding_mode: PaddingMode, norm: Norm
    ) -> list[nn.Module]:
        """List the modules before the head."""


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
