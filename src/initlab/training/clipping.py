"""Gradient clipping, between the backward pass and the step: none, by the norm, and adaptive.

Each kind is a callable of the model that changes ``.grad`` in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import nn

from initlab.errors import ConfigError
from initlab.site import Role, sites_of


class Clipping(Protocol):
    """A rule that bounds gradients."""

    def __call__(self, model: nn.Module) -> None:
        """Change the gradients of the model's parameters in place."""


@dataclass(frozen=True)
class NoClipping:
    """Leave gradients as they are."""

    def __call__(self, model: nn.Module) -> None:
        """Change nothing."""


@dataclass(frozen=True)
class NormClipping:
    """Shrink all gradients together so that their joint Euclidean norm is at most ``max_norm``."""

    max_norm: float = 1.0

    def __post_init__(self) -> None:
        if not self.max_norm > 0:
            raise ConfigError(f"clipping.max_norm={self.max_norm}: must be positive")

    def __call__(self, model: nn.Module) -> None:
        """Scale the gradients of all parameters by one factor, at most 1."""
        nn.utils.clip_grad_norm_(model.parameters(), self.max_norm)


@dataclass(frozen=True)
class AdaptiveClipping:
    r"""Adaptive gradient clipping (Brock et al. 2021, Eq. 3), by timm's ``adaptive_clip_grad``.

    The gradient G of each output unit (row) W of a weight is shrunk so that
    :math:`\lVert G \rVert \le \lambda \max(\lVert W \rVert, \epsilon)`; a vector of biases or gains counts as
    one unit. The classifier, a network's layers of role ``HEAD``, is left alone; a network that names none
    has all its parameters clipped.

    Args:
        clip_factor: :math:`\lambda`.
        eps: :math:`\epsilon`, so that units that are 0 can move.
    """

    clip_factor: float = 0.01
    eps: float = 1e-3

    def __post_init__(self) -> None:
        if not self.clip_factor > 0:
            raise ConfigError(f"clipping.clip_factor={self.clip_factor}: must be positive")
        if not self.eps > 0:
            raise ConfigError(f"clipping.eps={self.eps}: must be positive")

    def __call__(self, model: nn.Module) -> None:
        """Shrink the gradient of every unit outside the classifier that is too long."""
        from timm.utils.agc import adaptive_clip_grad  # here, because all of timm comes with it

        heads = [site.layer for site in sites_of(model) if site.role is Role.HEAD]
        spared = {id(parameter) for head in heads for parameter in head.parameters()}
        clipped = [parameter for parameter in model.parameters() if id(parameter) not in spared]
        adaptive_clip_grad(clipped, clip_factor=self.clip_factor, eps=self.eps)
