"""How images lie in memory: where convolutions are faster with the channels innermost, they are given so.

Only the inputs are laid out anew. Convolutions, norms and activations pass the layout on, and a weight is
the same tensor either way: inits, checkpoints and reparametrizations know nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def layout(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return the map that lays a network's inputs out; values and shapes stay.

    On a CPU, and in mixed precision on a GPU, the channels of images for a convolutional network go
    innermost. In float32 a GPU keeps them outermost, and so does a network that pads around the edges,
    since that padding lays its output out anew.
    """
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    if not convolutions or any(module.padding_mode != "zeros" for module in convolutions):
        return lambda inputs: inputs
    return _channels_innermost


def _channels_innermost(inputs: Tensor) -> Tensor:
    device = inputs.device.type
    if inputs.dim() != 4 or not (device == "cpu" or torch.is_autocast_enabled(device)):
        return inputs
    return inputs.contiguous(memory_format=torch.channels_last)
