"""A residual ReLU network of linear layers: Arpit et al. 2019, Fig. 1 (bottom)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from initlab.errors import ConfigError
from initlab.model.base import check_positive
from initlab.norm.base import Norm
from initlab.site import Role, Site


class LinearBlock(nn.Module):
    """``h + F(h)``, with F = Linear-ReLU-...-Linear and no ReLU after the addition.

    With an activation norm every linear layer of the branch is followed by it.

    Args:
        width: units of the stream.
        hidden_width: units of the hidden layers of the branch.
        num_layers: number of linear layers in the branch.
        norm: normalization of the branch.
    """

    def __init__(self, width: int, hidden_width: int, num_layers: int, norm: Norm) -> None:
        super().__init__()
        sizes = [width, *[hidden_width] * (num_layers - 1), width]
        layers: list[nn.Module] = []
        for fan_in, units in pairwise(sizes):
            layers += [nn.ReLU()] if layers else []
            layers.append(norm.wrap(nn.Linear(fan_in, units)))
            normalization = norm.activation(units, spatial=False)
            layers += [] if normalization is None else [normalization]
        self.branch = nn.Sequential(*layers)

    def forward(self, stream: Tensor) -> Tensor:
        """Map ``(N, width)`` to ``(N, width)``."""
        outputs: Tensor = stream + self.branch(stream)
        return outputs


class MlpResidual(nn.Module):
    """Residual blocks of linear layers, then a linear head that no norm touches.

    Inputs of ``width`` features go straight into the first block, as in the figure. Inputs of any other size
    go through a linear stem without ReLU first.

    Args:
        num_blocks: number of residual blocks, all in one stage.
        width: units of the stream (n in the figure).
        hidden_width: units of the hidden layers of each branch (m in the figure).
        layers_per_block: linear layers in each branch, 2 or more; all but the last have a ReLU.
        input_shape: of one input, flattened: ``(C, H, W)`` or ``(D,)``.
        num_classes: number of logits.
        norm: normalization of the stem and of the branches.

    Raises:
        ConfigError: a size is not positive, or a branch has a single layer.
    """

    def __init__(
        self,
        num_blocks: int,
        width: int,
        hidden_width: int,
        layers_per_block: int,
        input_shape: Sequence[int],
        num_classes: int,
        norm: Norm,
    ) -> None:
        super().__init__()
        check_positive("model.num_blocks", num_blocks)
        check_positive("model.width", width)
        check_positive("model.hidden_width", hidden_width)
        if check_positive("model.layers_per_block", layers_per_block) < 2:
            raise ConfigError("model.layers_per_block=1: a branch needs two layers or more to hold a ReLU")
        inputs = prod(input_shape)
        self.flatten = nn.Flatten()
        self.stem: nn.Module | None = None
        if inputs != width:
            self.stem = norm.wrap(nn.Linear(inputs, width))
        self.stem_norm = norm.placement("first", width, spatial=False) or nn.Identity()
        if self.stem is not None:
            self.stem_norm = norm.activation(width, spatial=False) or self.stem_norm
        self.blocks = nn.ModuleList(
            LinearBlock(width, hidden_width, layers_per_block, norm) for _ in range(num_blocks)
        )
        self.middle = max(num_blocks // 2, 1)
        self.middle_norm = norm.placement("middle", width, spatial=False) or nn.Identity()
        self.last_norm = norm.placement("last", width, spatial=False) or nn.Identity()
        self.head = nn.Linear(width, num_classes)

    def features(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(N, ...)`` to the stream after the last block, ``(N, width)``."""
        stream = self.flatten(inputs)
        if self.stem is not None:
            stream = self.stem(stream)
        stream = self.stem_norm(stream)
        for number, block in enumerate(self.blocks, start=1):
            stream = block(stream)
            if number == self.middle:
                stream = self.middle_norm(stream)
        last: Tensor = self.last_norm(stream)
        return last

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(N, ...)`` to logits ``(N, num_classes)``."""
        logits: Tensor = self.head(self.features(inputs))
        return logits

    def sites(self) -> Iterator[Site]:
        """List the layers in order of use."""
        if self.stem is not None:
            yield Site("stem", self.stem, Role.STEM, relu=False)
        for index, block in enumerate(self.blocks):
            assert isinstance(block, LinearBlock)
            layers = [(n, m) for n, m in block.branch.named_children() if isinstance(m, nn.Linear)]
            for position, (name, layer) in enumerate(layers):
                yield Site(
                    f"blocks.{index}.branch.{name}",
                    layer,
                    Role.BRANCH,
                    relu=position < len(layers) - 1,
                    unit=block,
                    stage=0,
                    block=index,
                    num_blocks=len(self.blocks),
                    position=position,
                    branch_length=len(layers),
                )
        yield Site("head", self.head, Role.HEAD, relu=False)
