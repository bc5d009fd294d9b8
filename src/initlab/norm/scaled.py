"""Fixed numbers in the forward pass: the multipliers alpha of Defazio & Bottou, Sec. 5 and 6.

They are buffers, so they are saved and moved with the network and never trained. Folding them into the
weights would leave the function as it is and undo the preconditioning: an SGD step on ``W`` in
``alpha W x`` moves the function by ``alpha^2`` as much as a step on the folded weight.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from initlab.site import Site


class Scale(nn.Module):
    """Multiply by one fixed number, the buffer ``scale``, 1 until an init says otherwise."""

    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(()))

    def reset_parameters(self) -> None:
        """Set the number back to 1."""
        self.scale.fill_(1.0)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return ``scale * inputs``, of the same shape."""
        return self.scale * inputs


class Scaled(Scale):
    r"""The scaled layer :math:`y = \alpha W x + b` (Sec. 5), with alpha the buffer ``scale``.

    The child ``layer`` (linear or convolutional) sees ``alpha x``, which is the same since both are linear
    in x. The bias stays outside alpha, as in the paper: the GR scaling of biases does not change with it.
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(N, in, ...)`` to ``(N, out, ...)``."""
        outputs: Tensor = self.layer(self.scale * inputs)
        return outputs


def scaled(layer: nn.Module, wanted: bool) -> nn.Module:
    """Give a layer a fixed multiplier, if wanted."""
    return Scaled(layer) if wanted else layer


def bare(module: nn.Module) -> nn.Module:
    """Return the layer inside a scaled layer, or the module itself."""
    return module.layer if isinstance(module, Scaled) else module


def scale_of(model: nn.Module, site: Site) -> Scaled | None:
    """Find the scaled layer that holds a site's weight, or None where the layer stands bare."""
    parent, _, child = site.name.rpartition(".")
    module = model.get_submodule(parent)
    return module if child == "layer" and isinstance(module, Scaled) else None
