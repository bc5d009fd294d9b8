"""A plain ReLU network: Arpit et al. 2019, Fig. 1 (top) and Fig. 2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from torch import Tensor, nn

from initlab.errors import ConfigError
from initlab.model.base import check_positive
from initlab.norm.base import Norm
from initlab.site import Role, Site


class Mlp(nn.Module):
    """``depth`` hidden layers of ``width`` units with ReLU, then a linear head that no norm touches.

    With an activation norm a hidden layer is Linear-norm-ReLU.

    Args:
        depth: number of hidden layers.
        width: units of each hidden layer, or a list of ``depth`` numbers, one per layer.
        input_shape: of one input, flattened: ``(C, H, W)`` or ``(D,)``.
        num_classes: number of logits.
        norm: normalization of the hidden layers.

    Raises:
        ConfigError: a size is not positive, or ``width`` does not list ``depth`` numbers.
    """

    def __init__(
        self, depth: int, width: int | Sequence[int], input_shape: Sequence[int], num_classes: int, norm: Norm
    ) -> None:
        super().__init__()
        check_positive("model.depth", depth)
        widths = [width] * depth if isinstance(width, int) else list(width)
        if len(widths) != depth:
            raise ConfigError(
                f"model.width names {len(widths)} layers and model.depth={depth}: they must agree"
            )
        layers: list[nn.Module] = [nn.Flatten()]
        fan_in = prod(input_shape)
        for units in widths:
            layers.append(norm.wrap(nn.Linear(fan_in, check_positive("model.width", units))))
            normalization = norm.activation(units, spatial=False)
            layers += [nn.ReLU()] if normalization is None else [normalization, nn.ReLU()]
            fan_in = units
        self.hidden = nn.Sequential(*layers)
        self.head = nn.Linear(fan_in, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(N, ...)`` to logits ``(N, num_classes)``."""
        logits: Tensor = self.head(self.hidden(inputs))
        return logits

    def sites(self) -> Iterator[Site]:
        """List the layers in order of use."""
        role = Role.STEM
        for name, layer in self.hidden.named_children():
            if isinstance(layer, nn.Linear):
                yield Site(f"hidden.{name}", layer, role, relu=True)
                role = Role.HIDDEN
        yield Site("head", self.head, Role.HEAD, relu=False)
