"""A network whose parameters are one vector, and whose gradients are another."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Flat:
    """Lays the parameters of a network out in one vector, in their order; the network goes on using them.

    Args:
        network: whose parameters are all of one type and on one device.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        parameters = list(network.parameters())
        self.weights = torch.cat([parameter.detach().flatten() for parameter in parameters])
        self.gradient = torch.zeros_like(self.weights)
        start = 0
        for parameter in parameters:
            part = slice(start, start + parameter.numel())
            parameter.data = self.weights[part].view_as(parameter)
            parameter.grad = self.gradient[part].view_as(parameter)
            start = part.stop

    def load(self, weights: Tensor) -> None:
        """Take these weights, a vector that may lie on another device."""
        self.weights.copy_(weights)
