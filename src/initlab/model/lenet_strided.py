"""LeNet with strides in place of pooling: Defazio & Bottou, Fig. 1 and 2."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from initlab.model.base import PaddingMode
from initlab.model.strided import Strided, conv_relu, linear_relu
from initlab.norm.base import Norm


class LenetStrided(Strided):
    """Convolutions 5x5/2 to 6 and 16 channels, linear layers of 120 and 84 units, ReLU after each, a head.

    The two convolutions keep ``ceil(side / 2)`` pixels a side: 16 and 8 for 32x32 inputs. The options are
    those of :class:`~initlab.model.strided.Strided`.

    Differs from the paper: it names no padding; circular is what its theory asks for (Remark 6).
    """

    name = "lenet_strided"
    widths = (6, 16, 120, 84)

    @staticmethod
    def layers(
        input_shape: Sequence[int], widths: Sequence[int], padding_mode: PaddingMode, norm: Norm
    ) -> list[nn.Module]:
        """List the modules before the head."""
        channels, height, width = input_shape
        first, second, third, fourth = widths
        pixels = -(-height // 4) * -(-width // 4)  # two halvings, rounded up
        return [
            *conv_relu(channels, first, 5, 2, padding_mode, norm),
            *conv_relu(first, second, 5, 2, padding_mode, norm),
            nn.Flatten(),
            *linear_relu(second * pixels, third, norm),
            *linear_relu(third, fourth, norm),
        ]
