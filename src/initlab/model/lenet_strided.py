"""LeNet with strides in place of pooling: Defazio & Bottou, Fig. 1 and 2."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from initlab.model.base import PaddingMode, check_images
from initlab.model.chain import Chain
from initlab.model.in_turn import InTurn
from initlab.model.strided import conv_relu, linear_relu, widened
from initlab.norm.base import Norm


class LenetStrided(Chain):
    """Convolutions 5x5/2 to 6 and 16 channels, linear layers of 120 and 84 units, ReLU after each, a head.

    The two convolutions keep ``ceil(side / 2)`` pixels a side: 16 and 8 for 32x32 inputs.

    Differs from the paper: it names no padding; circular is what its theory asks for (Remark 6).

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

    def __init__(
        self,
        padding_mode: PaddingMode,
        widen_factor: float,
        layer_scales: bool,
        input_shape: Sequence[int],
        num_classes: int,
        norm: Norm,
    ) -> None:
        channels = check_images("lenet_strided", input_shape)
        height, width = input_shape[1:]
        first, second, third, fourth = (widened(units, widen_factor) for units in (6, 16, 120, 84))
        pixels = -(-height // 4) * -(-width // 4)  # two halvings, rounded up
        norm = InTurn(norm, 4)
        super().__init__(
            [
                *conv_relu(channels, first, 5, 2, padding_mode, norm),
                *conv_relu(first, second, 5, 2, padding_mode, norm),
                nn.Flatten(),
                *linear_relu(second * pixels, third, norm),
                *linear_relu(third, fourth, norm),
            ],
            nn.Linear(fourth, num_classes),
            layer_scales,
        )
