"""Residual ReLU networks: RISOTTO paper, Eq. 1, in post- and pre-activation form.

The two networks built on this, ``resnet_b`` and ``resnet_c``, differ in one rule alone: which blocks have a
projection on the skip.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from initlab.errors import ConfigError
from initlab.model.checkpoint import checkpointed
from initlab.model.residual_block import ResidualBlock
from initlab.model.residual_plan import BlockKind, branch_sizes, per_stage, planned
from initlab.model.scalar_bias import scalar_bias
from initlab.norm.base import Norm
from initlab.norm.scaled import Scale, bare, scaled
from initlab.site import Role, Site, named


class ResidualRelu(nn.Module, ABC):
    r"""Stem, stages of residual blocks, global average pooling and a linear head that no norm touches.

    The blocks are the submodules ``stages.<stage>.<block>``. Memory and time to build grow linearly with the
    number of blocks.

    Args:
        depth: 18, 34, 50 or 101 layers; None where ``stages`` is given (18 where neither is).
        stages: number of blocks of each stage.
        strides: stride of the first block of each stage, cut to the number of stages; None is 1, 2, 2, 2.
            A bottleneck has it on its 3x3 conv.
        widths: channels of each stage, cut to the number of stages; None is 64, 128, 256, 512. Of a
            bottleneck, the middle width: its output is four times as wide.
        block: ``basic`` (3x3, 3x3) or ``bottleneck`` (1x1, 3x3, 1x1); None takes that of ``depth``, and
            ``basic`` for free ``stages``.
        preact: pre-activation blocks, with one more ReLU after the last block (He et al. 2016b).
        projects_raw: in pre-activation blocks, whether projections see z rather than relu(z).
        stem: ``cifar``, a 3x3 conv of stride 1 without pooling, or ``imagenet``, a 7x7 conv of stride 2 and
            3x3 max pooling of stride 2.
        bias: whether stem and branch convs have biases. Projections never do.
        residual_scale: the value that alpha starts from in every block.
        learn_residual_scale: whether alpha is a parameter of each block rather than a constant.
        skip_scale: beta, a constant on every skip.
        scale_branch_input: divide what each branch sees by the standard deviation that its input is expected
            to have, :math:`s_{l+1}^2 = s_l^2 + \alpha^2`, and :math:`1 + \alpha^2` after a projection (Brock
            et al. 2021, Sec. 3), with alpha = ``residual_scale``.
        scalar_biases: Fixup's scalar biases, before every conv, ReLU and the head.
        checkpoint_activations: keep the inputs of blocks alone for the backward pass, and recompute the rest.
        layer_scales: give every layer a fixed multiplier, and the network one on its input and one on its
            logits, for ``init=preconditioned`` and ``init.output_std``. All are buffers, 1 until an init
            sets them.
        input_shape: ``(C, H, W)``.
        num_classes: number of logits.
        norm: normalization of stem and blocks.

    Raises:
        ConfigError: an option has no such value.
    """

    def __init__(
        self,
        depth: int | None = None,
        stages: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
        widths: Sequence[int] | None = None,
        block: BlockKind | None = None,
        preact: bool = False,
        projects_raw: bool = False,
        stem: Literal["cifar", "imagenet"] = "cifar",
        bias: bool = True,
        residual_scale: float = 1.0,
        learn_residual_scale: bool = True,
        skip_scale: float = 1.0,
        scale_branch_input: bool = False,
        scalar_biases: bool = False,
        checkpoint_activations: bool = False,
        layer_scales: bool = False,
        *,
        input_shape: Sequence[int],
        num_classes: int,
        norm: Norm,
    ) -> None:
        super().__init__()
        kind, lengths = planned(depth, stages, block)
        outs = per_stage("widths", widths, [64, 128, 256, 512], len(lengths))
        steps = per_stage("strides", strides, [1, 2, 2, 2], len(lengths))
        if stem not in ("cifar", "imagenet"):
            raise ConfigError(f"model.stem={stem}: must be cifar or imagenet")
        if len(input_shape) != 3:
            raise ConfigError(
                f"{type(self).__name__} takes images (C, H, W), not inputs {tuple(input_shape)}"
            )
        if scalar_biases and not learn_residual_scale:
            raise ConfigError("model.scalar_biases=true needs model.learn_residual_scale=true")
        self.preact = preact
        self.checkpoint_activations = checkpoint_activations
        kernel = 3 if stem == "cifar" else 7
        self.stem_bias = scalar_bias(scalar_biases)
        self.input_scale = Scale() if layer_scales else nn.Identity()
        self.output_scale = Scale() if layer_scales else nn.Identity()
        first = nn.Conv2d(
            input_shape[0], outs[0], kernel, 1 if stem == "cifar" else 2, kernel // 2, bias=bias
        )
        self.stem = scaled(norm.wrap(first), layer_scales)
        every = None if preact else norm.activation(outs[0])
        self.stem_norm = every or norm.placement("first", outs[0]) or nn.Identity()
        self.stem_relu_bias = nn.Identity() if preact else scalar_bias(scalar_biases)
        self.pool = nn.Identity() if stem == "cifar" else nn.MaxPool2d(3, stride=2, padding=1)

        self.middle = max(sum(lengths) // 2, 1)
        self.middle_norm: nn.Module = nn.Identity()
        channels, variance, number = outs[0], 1.0, 0
        built: list[nn.Module] = []
        for length, width, step in zip(lengths, outs, steps, strict=True):
            blocks: list[nn.Module] = []
            for index in range(length):
                stride = step if index == 0 else 1
                branch = branch_sizes(kind, width, stride)
                projection = self.projects(channels, branch["widths"][-1], stride)
                blocks.append(
                    ResidualBlock(
                        channels,
                        **branch,
                        projection=projection,
                        preact=preact,
                        projects_raw=projects_raw,
                        bias=bias,
                        residual_scale=residual_scale,
                        learn_residual_scale=learn_residual_scale,
                        skip_scale=skip_scale,
                        input_std=variance**0.5 if scale_branch_input else 1.0,
                        scalar_biases=scalar_biases,
                        layer_scales=layer_scales,
                        norm=norm,
                    )
                )
                channels = branch["widths"][-1]
                variance = (1.0 if projection else variance) + residual_scale**2
                number += 1
                if number == self.middle:
                    self.middle_norm = norm.placement("middle", channels) or self.middle_norm
            built.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*built)
        every = norm.activation(channels) if preact else None
        self.last_norm = every or norm.placement("last", channels) or nn.Identity()
        self.last_relu_bias = scalar_bias(scalar_biases and preact)
        self.head_bias = scalar_bias(scalar_biases)
        self.head = scaled(nn.Linear(channels, num_classes), layer_scales)

    @abstractmethod
    def projects(self, in_channels: int, out_channels: int, stride: int) -> bool:
        """Whether a block of these sizes has a projection on its skip."""

    def features(self, inputs: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to the last feature map before pooling, ``(N, C', H', W')``."""
        hidden = self.stem_norm(self.stem(self.stem_bias(self.input_scale(inputs))))
        if not self.preact:
            hidden = torch.relu(self.stem_relu_bias(hidden))
        hidden = self.pool(hidden)
        number = 0
        for stage in self.stages:
            assert isinstance(stage, nn.Sequential)
            for block in stage:
                hidden = checkpointed(block, hidden) if self.checkpoint_activations else block(hidden)
                number += 1
                if number == self.middle:
                    hidden = self.middle_norm(hidden)
        hidden = self.last_norm(hidden)
        return torch.relu(self.last_relu_bias(hidden)) if self.preact else hidden

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to logits ``(N, num_classes)``."""
        logits: Tensor = self.head(self.head_bias(self.features(inputs).mean(dim=(2, 3))))
        scaled_logits: Tensor = self.output_scale(logits)
        return scaled_logits

    def sites(self) -> Iterator[Site]:
        """List the layers in order of use.

        ``relu`` is False for the last layer of a branch and for projections, because the addition comes
        first; in the post-activation form a ReLU follows the sum. It is False for the stem of the
        pre-activation form, whose output the first skip carries on as it is.
        """
        return named(self, self._sites())

    def _sites(self) -> Iterator[Site]:
        yield Site("", bare(self.stem), Role.STEM, relu=not self.preact)
        for stage, blocks in enumerate(self.stages):
            assert isinstance(blocks, nn.Sequential)
            for index, unit in enumerate(blocks):
                assert isinstance(unit, ResidualBlock)
                place: dict[str, Any] = {
                    "unit": unit,
                    "stage": stage,
                    "block": index,
                    "num_blocks": len(blocks),
                }
                length = len(unit.convs)
                for position, conv in enumerate(unit.convs):
                    yield Site(
                        "",
                        bare(conv),
                        Role.BRANCH,
                        relu=position < length - 1,
                        position=position,
                        branch_length=length,
                        **place,
                    )
                if unit.shortcut is not None:
                    yield Site("", bare(unit.shortcut), Role.SHORTCUT, relu=False, **place)
        yield Site("", bare(self.head), Role.HEAD, relu=False)
