"""The CIFAR residual networks of Arpit et al. 2019, Table 1: ResNet-56, -110 and -164."""

from __future__ import annotations

from collections.abc import Sequence

from initlab.errors import ConfigError
from initlab.model.base import PaddingMode, check_images, check_positive
from initlab.model.residual_stage import ResidualStages
from initlab.norm.base import Norm


class ResnetCifar(ResidualStages):
    """ResNet-(6n+2): three stages of n two-convolution blocks with 16, 32 and 64 channels.

    The blocks are those of :class:`~initlab.model.residual_stage.ResidualBlock` at every depth, 164 too,
    which elsewhere is built from bottlenecks. An activation norm also follows the stem and precedes the
    pooling, without ReLU.

    Args:
        depth: number of layers, 6n+2: 56, 110 and 164 are n = 9, 18 and 27.
        padding_mode: ``zeros`` as in the paper, or ``circular``, with which norms are kept exactly.
        checkpoint_activations: keep the inputs of blocks alone for the backward pass, and recompute the rest.
        input_shape: of one image, ``(C, H, W)``.
        num_classes: number of logits.
        norm: normalization of the convolutions.

    Raises:
        ConfigError: the depth is not 6n+2, or the inputs are no images.
    """

    def __init__(
        self,
        depth: int,
        padding_mode: PaddingMode = "zeros",
        checkpoint_activations: bool = False,
        *,
        input_shape: Sequence[int],
        num_classes: int,
        norm: Norm,
    ) -> None:
        super().__init__(
            num_blocks=num_blocks_of(depth),
            widths=(16, 32, 64),
            stem_width=16,
            convs_per_block=2,
            padding_mode=padding_mode,
            norm_outside_blocks=True,
            checkpoint_activations=checkpoint_activations,
            channels=check_images("resnet_cifar", input_shape),
            num_classes=num_classes,
            norm=norm,
        )


def num_blocks_of(depth: int) -> int:
    """Return n of ``depth = 6n + 2``, or name the nearest depth of that form."""
    check_positive("model.depth", depth)
    nearest = 6 * max(1, round((depth - 2) / 6)) + 2
    if depth != nearest:
        raise ConfigError(
            f"model.depth={depth}: must be 6n+2, such as 56, 110 or 164; the nearest is {nearest}"
        )
    return (depth - 2) // 6
