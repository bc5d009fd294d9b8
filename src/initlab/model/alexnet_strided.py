"""AlexNet with strides in place of max-pooling: Defazio & Bottou, Fig. 3 and App. F."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from initlab.model.base import PaddingMode, check_images
from initlab.model.chain import Chain
from initlab.model.in_turn import InTurn
from initlab.model.strided import conv_relu, linear_relu, widened
from initlab.norm.base import Norm


class AlexnetStrided(Chain):
    """Five convolutions, the mean over pixels, two linear layers of 4096 units, ReLU after each, a head.

    The convolutions: 11x11 to 64 channels, 5x5/2 to 192, 3x3/2 to 384, 3x3 to 256, 3x3 to 256; a side of
    32 pixels becomes 32, 16, 8, 8, 8. With 3 channels and 10 classes there are 20,344,650 parameters.

    Args:
        padding_mode: ``circular`` (the paper's) or ``zeros``.
        widen_factor: multiplies every number of hidden channels and units; 0.125 suits a laptop.
        layer_scales: fixed multipliers at every layer, see :class:`~initlab.model.chain.Chain`.
        input_shape: of one image, ``(C, H, W)``.
        num_classes: number of logits.
        norm: normalization of the hidden layers.

    Raises:
        ConfigError: an option is none of the choices, or the inputs are no images.
    """

    def __init__(
        self,
        padding_mode: PaddingMode,
        widen_factor: float,
        layer_scales: bool,
        input_shape: Sequence[int],
        num_classes: int,
        norm: Norm,
    ) -> None:
        channels = check_images("alexnet_strided", input_shape)
        first, second, third, fourth, fifth, units = (
            widened(width, widen_factor) for width in (64, 192, 384, 256, 256, 4096)
        )
        norm = InTurn(norm, 7)
        super().__init__(
            [
                *conv_relu(channels, first, 11, 1, padding_mode, norm),
                *conv_relu(first, second, 5, 2, padding_mode, norm),
                *conv_relu(second, third, 3, 2, padding_mode, norm),
                *conv_relu(third, fourth, 3, 1, padding_mode, norm),
                *conv_relu(fourth, fifth, 3, 1, padding_mode, norm),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                *linear_relu(fifth, units, norm),
                *linear_relu(units, units, norm),
            ],
            nn.Linear(units, num_classes),
            layer_scales,
        )
