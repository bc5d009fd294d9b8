"""The wide residual network of Arpit et al. 2019, Sec. 4 and 5 (Zagoruyko & Komodakis 2016)."""

from __future__ import annotations

from collections.abc import Sequence

from initlab.model.base import PaddingMode, check_images, check_positive
from initlab.model.residual_stage import ResidualStages
from initlab.norm.base import Norm


class Wrn(ResidualStages):
    """WRN-(6N+4)-k: three stages of N blocks with 16k, 32k and 64k channels.

    The blocks are Conv-ReLU-Conv; :class:`~initlab.model.residual_stage.ResidualBlock` says where an
    activation norm goes. There is none after the stem or before the pooling, as in the paper's code.

    Differs from the paper: the stem has 16 channels, as in the paper's code; its figure shows 16k.

    Args:
        num_blocks: N, residual blocks per stage.
        widen_factor: k.
        stem_width: channels of the first convolution.
        convs_per_block: convolutions in a residual branch; the network has 6N+4 layers with 2.
        padding_mode: ``zeros`` as in the paper, or ``circular``, with which norms are kept exactly.
        checkpoint_activations: keep the inputs of blocks alone for the backward pass, and recompute the rest.
        input_shape: of one image, ``(C, H, W)``.
        num_classes: number of logits.
        norm: normalization of the convolutions.

    Raises:
        ConfigError: a size is not positive, or the inputs are no images.
    """

    def __init__(
        self,
        num_blocks: int,
        widen_factor: int = 1,
        stem_width: int = 16,
        convs_per_block: int = 2,
        padding_mode: PaddingMode = "zeros",
        checkpoint_activations: bool = False,
        *,
        input_shape: Sequence[int],
        num_classes: int,
        norm: Norm,
    ) -> None:
        check_positive("model.widen_factor", widen_factor)
        super().__init__(
            num_blocks=num_blocks,
            widths=[width * widen_factor for width in (16, 32, 64)],
            stem_width=stem_width,
            convs_per_block=convs_per_block,
            padding_mode=padding_mode,
            norm_outside_blocks=False,
            checkpoint_activations=checkpoint_activations,
            channels=check_images("wrn", input_shape),
            num_classes=num_classes,
            norm=norm,
        )
