"""A plain ReLU network: Arpit et al. 2019, Fig. 1 (top) and Fig. 2; Defazio & Bottou, Table 2 and Fig. 4."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from initlab.errors import ConfigError
from initlab.model.base import check_positive
from initlab.model.chain import Chain
from initlab.model.in_turn import InTurn
from initlab.norm.base import Norm


class Mlp(Chain):
    """``depth`` hidden layers of ``width`` units with ReLU, then a linear head that no norm touches.

    With an activation norm a hidden layer is Linear-norm-ReLU.

    Args:
        depth: number of hidden layers.
        width: units of each hidden layer, or a list of ``depth`` numbers, one per layer.
        input_shape: of one input, flattened: ``(C, H, W)`` or ``(D,)``.
        num_classes: number of logits.
        norm: normalization of the hidden layers.
        layer_norm_input: standardize each input over all its entries, without learned weight or bias
            (LayerNorm, as in the 26 LIBSVM data sets of Defazio & Bottou, App. F).
        layer_scales: fixed multipliers at every layer, see :class:`~initlab.model.chain.Chain`.

    Raises:
        ConfigError: a size is not positive, or ``width`` does not list ``depth`` numbers.
    """

    def __init__(
        self,
        depth: int,
        width: int | Sequence[int],
        input_shape: Sequence[int],
        num_classes: int,
        norm: Norm,
        layer_norm_input: bool = False,
        layer_scales: bool = False,
    ) -> None:
        check_positive("model.depth", depth)
        widths = [width] * depth if isinstance(width, int) else list(width)
        if len(widths) != depth:
            raise ConfigError(
                f"model.width names {len(widths)} layers and model.depth={depth}: they must agree"
            )
        norm = InTurn(norm, depth)
        layers: list[nn.Module] = [nn.Flatten()]
        fan_in = prod(input_shape)
        for units in widths:
            layers.append(norm.wrap(nn.Linear(fan_in, check_positive("model.width", units))))
            normalization = norm.activation(units, spatial=False)
            layers += [nn.ReLU()] if normalization is None else [normalization, nn.ReLU()]
            fan_in = units
        super().__init__(layers, nn.Linear(fan_in, num_classes), layer_scales)
        self.input_norm = (
            nn.LayerNorm(list(input_shape), elementwise_affine=False) if layer_norm_input else nn.Identity()
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(N, ...)`` to logits ``(N, num_classes)``."""
        return super().forward(self.input_norm(inputs))
