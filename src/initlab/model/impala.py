"""The residual network of IMPALA (Espeholt et al. 2018, Fig. 3), of any depth: Arpit et al. 2019, Fig. 6."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from initlab.errors import ConfigError
from initlab.model.base import check_positive
from initlab.norm.base import Norm
from initlab.site import Role, Site, named


class ImpalaBlock(nn.Module):
    """``h + F(h)``, with F = ReLU-conv-ReLU-conv, 3x3, and an activation norm, if any, after each conv.

    Args:
        channels: of input and output.
        norm: normalization of the convs.
    """

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.convs = nn.ModuleList(norm.wrap(nn.Conv2d(channels, channels, 3, padding=1)) for _ in range(2))
        self.norms = nn.ModuleList(norm.activation(channels) or nn.Identity() for _ in range(2))

    def forward(self, stream: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to the same shape."""
        branch = stream
        for conv, normalization in zip(self.convs, self.norms, strict=True):
            branch = normalization(conv(torch.relu(branch)))
        return stream + branch


class ImpalaSection(nn.Module):
    """A 3x3 conv, 3x3 max pooling of stride 2, and residual blocks.

    Args:
        in_channels: channels of the input.
        channels: of conv and blocks.
        num_blocks: number of blocks.
        first: whether this is the first section.
        norm: normalization of the convs.
    """

    def __init__(self, in_channels: int, channels: int, num_blocks: int, first: bool, norm: Norm) -> None:
        super().__init__()
        self.conv = norm.wrap(nn.Conv2d(in_channels, channels, 3, padding=1))
        single = norm.placement("first", channels) if first else None
        self.norm = norm.activation(channels) or single or nn.Identity()
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.blocks = nn.ModuleList(ImpalaBlock(channels, norm) for _ in range(num_blocks))


class Impala(nn.Module):
    """Sections of a conv, max pooling and residual blocks; ReLU, a hidden layer with ReLU, a head.

    No norm touches the head. With b blocks per section and three sections the network has 3 (1 + 2b) convs
    and the hidden layer: 100 layers for b = 16, the depth of the paper (which does not say how it is reached;
    the head is not counted). Espeholt et al. have b = 2.

    Args:
        num_blocks: b, residual blocks per section.
        widths: channels of each section.
        hidden: units of the hidden layer.
        input_shape: of one image, ``(C, H, W)``; sections halve H and W, rounding up.
        num_classes: number of logits (of actions).
        norm: normalization of the convs and of the hidden layer.

    Raises:
        ConfigError: a size is not positive, or the inputs are no images.
    """

    def __init__(
        self,
        num_blocks: int,
        widths: Sequence[int],
        hidden: int,
        input_shape: Sequence[int],
        num_classes: int,
        norm: Norm,
    ) -> None:
        super().__init__()
        check_positive("model.num_blocks", num_blocks)
        check_positive("model.hidden", hidden)
        if not widths:
            raise ConfigError("model.widths=[]: must name at least one section")
        if len(input_shape) != 3:
            raise ConfigError(f"model=impala takes images (C, H, W), not inputs {tuple(input_shape)}")
        channels, height, width = input_shape
        sections: list[ImpalaSection] = []
        for units in widths:
            check_positive("model.widths", units)
            sections.append(ImpalaSection(channels, units, num_blocks, not sections, norm))
            channels, height, width = units, (height + 1) // 2, (width + 1) // 2
        self.sections = nn.ModuleList(sections)
        self.middle = max(num_blocks * len(widths) // 2, 1)
        middle_width = widths[(self.middle - 1) // num_blocks]
        self.middle_norm = norm.placement("middle", middle_width) or nn.Identity()
        self.last_norm = norm.placement("last", channels) or nn.Identity()
        self.hidden = norm.wrap(nn.Linear(channels * height * width, hidden))
        self.hidden_norm = norm.activation(hidden, spatial=False) or nn.Identity()
        self.head = nn.Linear(hidden, num_classes)

    def features(self, inputs: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to the last feature map, after its ReLU, ``(N, C', H', W')``."""
        stream = inputs
        number = 0
        for section in self.sections:
            assert isinstance(section, ImpalaSection)
            stream = section.pool(section.norm(section.conv(stream)))
            for block in section.blocks:
                stream = block(stream)
                number += 1
                if number == self.middle:
                    stream = self.middle_norm(stream)
        return torch.relu(self.last_norm(stream))

    def embedding(self, inputs: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to the activations ``(N, hidden)`` that a policy or a value reads."""
        return torch.relu(self.hidden_norm(self.hidden(self.features(inputs).flatten(1))))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to logits ``(N, num_classes)``."""
        logits: Tensor = self.head(self.embedding(inputs))
        return logits

    def sites(self) -> Iterator[Site]:
        """List the layers in order of use.

        ``relu`` is False for the conv of a section, whose output the first skip carries on as it is.
        """
        return named(self, self._sites())

    def _sites(self) -> Iterator[Site]:
        for stage, section in enumerate(self.sections):
            assert isinstance(section, ImpalaSection)
            yield Site("", section.conv, Role.STEM if stage == 0 else Role.HIDDEN, relu=False)
            for index, block in enumerate(section.blocks):
                assert isinstance(block, ImpalaBlock)
                for position, conv in enumerate(block.convs):
                    yield Site(
                        "",
                        conv,
                        Role.BRANCH,
                        relu=position == 0,
                        unit=block,
                        stage=stage,
                        block=index,
                        num_blocks=len(section.blocks),
                        position=position,
                        branch_length=2,
                    )
        yield Site("", self.hidden, Role.HIDDEN, relu=True)
        yield Site("", self.head, Role.HEAD, relu=False)
