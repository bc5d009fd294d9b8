"""AlexNet with strides in place of max-pooling: Defazio & Bottou, Fig. 3 and App. F."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from initlab.model.base import PaddingMode
from initlab.model.strided import Strided, conv_relu, linear_relu
from initlab.norm.base import Norm


class AlexnetStrided(Strided):
    """Five convolutions, the mean over pixels, two linear layers of 4096 units, ReLU after each, a head.

    The convolutions: 11x11 to 64 channels, 5x5/2 to 192, 3x3/2 to 384, 3x3 to 256, 3x3 to 256; a side of
    32 pixels becomes 32, 16, 8, 8, 8. With 3 channels and 10 classes there are 20,344,650 parameters. The
    options are those of :class:`~initlab.model.strided.Strided`: ``padding_mode=circular`` is the paper's,
    and ``widen_factor=0.125`` suits a laptop.
    """

    name = "alexnet_strided"
    widths = (64, 192, 384, 256, 256, 4096, 4096)

    @staticmethod
    def layers(
        input_shape: Sequence[int], widths: Sequence[int], padding_mode: PaddingMode, norm: Norm
    ) -> list[nn.Module]:
        """List the modules before the head."""
        first, second, third, fourth, fifth, sixth, seventh = widths
        return [
            *conv_relu(input_shape[0], first, 11, 1, padding_mode, norm),
            *conv_relu(first, second, 5, 2, padding_mode, norm),
            *conv_relu(second, third, 3, 2, padding_mode, norm),
            *conv_relu(third, fourth, 3, 1, padding_mode, norm),
            *conv_relu(fourth, fifth, 3, 1, padding_mode, norm),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            *linear_relu(fifth, sixth, norm),
            *linear_relu(sixth, seventh, norm),
        ]
