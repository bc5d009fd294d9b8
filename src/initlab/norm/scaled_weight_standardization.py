"""Scaled weight standardization: Brock, De & Smith 2021 (NF-ResNets), Eq. 2; RISOTTO's NF baseline."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from initlab.errors import ConfigError, Refused
from initlab.norm.base import Norm, describe, parametrization
from initlab.norm.row_norm import row_norm

RELU_GAIN = (2 / (1 - 1 / pi)) ** 0.5  # 1 / std(relu(x)) for x standard normal: 1.7128586


@dataclass(frozen=True)
class ScaledWeightStandardization(Norm):
    r"""Give each layer the weight :math:`\hat W = \gamma\, (W - \mu) / (\sigma \sqrt{n_{in}})`, row by row.

    :math:`\mu` and :math:`\sigma` are mean and population standard deviation of the ``fan_in`` weights of an
    output unit. As :math:`\sigma \sqrt{n_{in}}` is the Euclidean norm of the centred row, every row of
    :math:`\hat W` has mean 0 and Euclidean norm :math:`\gamma`: a layer that sees relu(N(0, 1)) gives outputs
    of mean 0 and variance 1 for :math:`\gamma = \sqrt{2 / (1 - 1/\pi)}` (sum of squares 2.9338845).

    Differs from the paper: nothing is added to the variance, so the function is scale-free in W.

    Args:
        gain: :math:`\gamma`; the default is that of a ReLU.
        learnable_gain: multiply each row by a learned gain besides, 1 at initialization (NF-ResNets do).
    """

    gain: float = RELU_GAIN
    learnable_gain: bool = False

    def __post_init__(self) -> None:
        if not self.gain > 0:
            raise ConfigError(f"norm.gain={self.gain}: must be positive")

    def wrap(self, layer: nn.Module) -> nn.Module:
        """Reparametrize one layer in place and return it.

        Raises:
            Refused: the layer has one weight per output unit, which has no deviation from its mean.
        """
        weight = layer.weight
        assert isinstance(weight, Tensor)
        if weight[0].numel() < 2:
            raise Refused(
                f"weight standardization needs two weights or more per output unit of {describe(layer)}"
            )
        rows = (weight.shape[0], *[1] * (weight.dim() - 1)) if self.learnable_gain else None
        return parametrize.register_parametrization(layer, "weight", Standardize(self.gain, rows))


class Standardize(nn.Module):
    """The reparametrization itself, in plain operations: exact in every order of derivative.

    Args:
        scale: the Euclidean norm of every row of the effective weight.
        rows: shape ``(out, 1, ...)`` of the learned gain, or None for none.
    """

    def __init__(self, scale: float, rows: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.scale = scale
        self.gain = None if rows is None else nn.Parameter(torch.ones(rows))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the effective weight, of the shape of ``weight``."""
        centred = weight - weight.mean(dim=tuple(range(1, weight.dim())), keepdim=True)
        standardized = centred * (self.scale / row_norm(centred))
        return standardized if self.gain is None else self.gain * standardized

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return ``weight``, which becomes the raw weight; its scale and row means have no effect."""
        return weight

    def refusal(self, weight: Tensor) -> str | None:
        """Say why ``weight`` cannot be written, or None."""
        rows = weight.flatten(1)
        if bool((rows.amax(1) > rows.amin(1)).all()):
            return None
        return "weight standardization has no direction for a row of equal weights"

    def reset_parameters(self) -> None:
        """Set the learned gain to 1."""
        if self.gain is not None:
            nn.init.ones_(self.gain)


def is_standardized(layer: nn.Module) -> bool:
    """Whether the layer's weight is standardized."""
    return any(isinstance(module, Standardize) for module in parametrization(layer) or ())
