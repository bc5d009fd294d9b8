"""Scalar biases: Zhang et al. 2019 (Fixup), Sec. 3."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ScalarBias(nn.Module):
    """One learned number, from 0, added to every entry."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(()))

    def reset_parameters(self) -> None:
        """Set the number to 0."""
        nn.init.zeros_(self.value)

    def forward(self, inputs: Tensor) -> Tensor:
        """Shift inputs of any shape."""
        return inputs + self.value


def scalar_bias(wanted: bool) -> nn.Module:
    """Make a scalar bias, if wanted, or a module that does nothing."""
    return ScalarBias() if wanted else nn.Identity()
