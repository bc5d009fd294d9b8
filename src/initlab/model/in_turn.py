"""Norms of a plain network, which asks for them layer by layer, in order of use."""

from __future__ import annotations

from torch import nn

from initlab.norm.base import Norm, Place


class InTurn(Norm):
    """A norm for the hidden layers of a plain network, which ask for its modules one after the other.

    A norm of every layer gives each its module. A norm of one place has it on the output of the first hidden
    layer, of number ``num_layers // 2`` (counted from 1, at least the first) or of the last, before the ReLU.

    Args:
        norm: the norm that was asked for.
        num_layers: number of hidden layers.
    """

    def __init__(self, norm: Norm, num_layers: int) -> None:
        self.norm = norm
        self.places: dict[Place, int] = {"first": 1, "middle": max(num_layers // 2, 1), "last": num_layers}
        self.asked = 0

    def wrap(self, layer: nn.Module) -> nn.Module:
        """Reparametrize one layer in place and return it."""
        return self.norm.wrap(layer)

    def activation(self, num_features: int, spatial: bool = True) -> nn.Module | None:
        """Make the module that follows the next layer, or None where there is none."""
        self.asked += 1
        every = self.norm.activation(num_features, spatial)
        here = [place for place, number in self.places.items() if number == self.asked]
        single = (self.norm.placement(place, num_features, spatial) for place in here)
        return every or next((module for module in single if module is not None), None)
