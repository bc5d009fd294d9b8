"""The residual networks of Arpit et al. 2019: what ``wrn`` and ``resnet_cifar`` share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from initlab.model.base import PaddingMode, check_padding_mode, check_positive
from initlab.model.checkpoint import checkpointed
from initlab.norm.base import Norm
from initlab.site import Role, Site


class ResidualBlock(nn.Module):
    """``h + F(h)``, with the branch F = Conv-ReLU-...-Conv and no ReLU after the addition (Sec. 4).

    Where the shape changes, the skip connection is a 1x1 convolution. With an activation norm the branch is
    norm-ReLU-Conv-...-norm-ReLU-Conv, and the shortcut's convolution is fed the output of the first norm,
    before its ReLU, as in the paper's code. All convolutions have biases.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output and of every convolution of the branch.
        stride: of the branch's first convolution and of the shortcut.
        num_convs: number of 3x3 convolutions in the branch.
        padding_mode: ``zeros`` or ``circular``.
        norm: normalization of the convolutions.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        num_convs: int,
        padding_mode: PaddingMode,
        norm: Norm,
    ) -> None:
        super().__init__()
        self.entry = norm.activation(in_channels)
        layers: list[nn.Module] = [] if self.entry is None else [nn.ReLU()]
        for position in range(num_convs):
            first = position == 0
            if not first:
                normalization = norm.activation(out_channels)
                layers += [nn.ReLU()] if normalization is None else [normalization, nn.ReLU()]
            channels = in_channels if first else out_channels
            layers.append(
                norm.wrap(
                    nn.Conv2d(
                        channels,
                        out_channels,
                        kernel_size=3,
                        stride=stride if first else 1,
                        padding=1,
                        padding_mode=padding_mode,
                    )
                )
            )
        self.branch = nn.Sequential(*layers)
        same_shape = in_channels == out_channels and stride == 1
        self.shortcut = None if same_shape else norm.wrap(nn.Conv2d(in_channels, out_channels, 1, stride))

    def forward(self, stream: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, out_channels, H / stride, W / stride)``."""
        inputs = stream if self.entry is None else self.entry(stream)
        skip = stream if self.shortcut is None else self.shortcut(inputs)
        outputs: Tensor = skip + self.branch(inputs)
        return outputs

    def sites(self, prefix: str, **place: Any) -> Iterator[Site]:
        """List the block's layers; ``prefix`` is the block's name, ``place`` its stage."""
        convs = [(n, conv) for n, conv in self.branch.named_children() if isinstance(conv, nn.Conv2d)]
        last = len(convs) - 1
        for position, (name, conv) in enumerate(convs):
            yield Site(
                f"{prefix}.branch.{name}",
                conv,
                Role.BRANCH,
                relu=position < last,
                unit=self,
                position=position,
                branch_length=len(convs),
                **place,
            )
        if self.shortcut is not None:
            yield Site(f"{prefix}.shortcut", self.shortcut, Role.SHORTCUT, relu=False, unit=self, **place)


class ResidualStages(nn.Module):
    """Stem convolution, stages of residual blocks, global average pooling, linear head.

    Each stage but the first begins with stride 2. Neither the stem nor the last addition has a ReLU after
    it, and the head is a plain linear layer that no norm touches.

    Args:
        num_blocks: residual blocks per stage.
        widths: channels of each stage.
        stem_width: channels of the first convolution.
        convs_per_block: convolutions in a residual branch.
        padding_mode: ``zeros`` as in the paper, or ``circular``, with which norms are kept exactly.
        norm_outside_blocks: whether an activation norm also follows the stem and precedes the pooling.
        checkpoint_activations: keep the inputs of blocks alone for the backward pass, and recompute the rest.
        channels: of the images.
        num_classes: number of logits.
        norm: normalization of the convolutions.

    Raises:
        ConfigError: a size is not positive, or there is no such padding.
    """

    def __init__(
        self,
        num_blocks: int,
        widths: Sequence[int],
        stem_width: int,
        convs_per_block: int,
        padding_mode: PaddingMode,
        norm_outside_blocks: bool,
        checkpoint_activations: bool,
        channels: int,
        num_classes: int,
        norm: Norm,
    ) -> None:
        super().__init__()
        check_positive("model.num_blocks", num_blocks)
        check_positive("model.stem_width", stem_width)
        check_positive("model.convs_per_block", convs_per_block)
        check_padding_mode(padding_mode)
        self.checkpoint_activations = checkpoint_activations
        self.stem = norm.wrap(nn.Conv2d(channels, stem_width, 3, padding=1, padding_mode=padding_mode))
        every = norm.activation(stem_width) if norm_outside_blocks else None
        self.stem_norm = every or norm.placement("first", stem_width)
        self.middle = max(num_blocks * len(widths) // 2, 1)
        self.middle_norm = norm.placement("middle", widths[(self.middle - 1) // num_blocks])
        stages = []
        channels = stem_width
        for stage, width in enumerate(widths):
            blocks = []
            for block in range(num_blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(ResidualBlock(channels, width, stride, convs_per_block, padding_mode, norm))
                channels = width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        every = norm.activation(channels) if norm_outside_blocks else None
        self.final_norm = every or norm.placement("last", channels)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to logits ``(N, num_classes)``."""
        stream = self.stem(images)
        if self.stem_norm is not None:
            stream = self.stem_norm(stream)
        number = 0
        for stage in self.stages:
            assert isinstance(stage, nn.Sequential)
            for block in stage:
                stream = checkpointed(block, stream) if self.checkpoint_activations else block(stream)
                number += 1
                if number == self.middle and self.middle_norm is not None:
                    stream = self.middle_norm(stream)
        if self.final_norm is not None:
            stream = self.final_norm(stream)
        logits: Tensor = self.head(stream.mean((2, 3)))
        return logits

    def sites(self) -> Iterator[Site]:
        """List the layers in order of use, a block's branch before its shortcut."""
        yield Site("stem", self.stem, Role.STEM, relu=False)
        for stage, module in enumerate(self.stages):
            blocks = list(module.children())
            for index, block in enumerate(blocks):
                assert isinstance(block, ResidualBlock)
                yield from block.sites(
                    f"stages.{stage}.{index}", stage=stage, block=index, num_blocks=len(blocks)
                )
        yield Site("head", self.head, Role.HEAD, relu=False)
