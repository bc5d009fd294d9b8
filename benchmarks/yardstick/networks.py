"""The networks, with torch's weight norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

NUM_CLASSES = 10


def normalized(layer: nn.Module, gamma: float) -> nn.Module:
    """Weight-normalize a layer; gamma is the share of squared norm that the proposed init lets it pass on."""
    layer = weight_norm(layer)
    layer.gamma = gamma
    return layer


class Mlp(nn.Sequential):
    """``depth`` hidden layers of ``width`` units with ReLU, and a plain linear head."""

    def __init__(self, depth: int, width: int, inputs: int = 28 * 28) -> None:
        layers: list[nn.Module] = [nn.Flatten()]
        for _ in range(depth):
            layers += [normalized(nn.Linear(inputs, width), gamma=2.0), nn.ReLU()]
            inputs = width
        super().__init__(*layers, nn.Linear(inputs, NUM_CLASSES))


class Block(nn.Module):
    """``h + conv(relu(conv(h)))``; where the shape changes, the skip connection is a 1x1 convolution."""

    def __init__(self, in_channels: int, channels: int, stride: int, num_blocks: int) -> None:
        super().__init__()
        self.conv1 = normalized(nn.Conv2d(in_channels, channels, 3, stride, padding=1), gamma=2.0)
        self.conv2 = normalized(nn.Conv2d(channels, channels, 3, padding=1), gamma=1 / num_blocks)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = normalized(nn.Conv2d(in_channels, channels, 1, stride), gamma=1.0)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, in_channels, H, W)`` to ``(N, channels, H / stride, W / stride)``."""
        return self.shortcut(x) + self.conv2(torch.relu(self.conv1(x)))


class Wrn(nn.Sequential):
    """Stem, three stages of ``num_blocks`` blocks with 16, 32, 64 channels, pooling, plain linear head.

    WRN-10-1, WRN-16-1 and ResNet-56 have 1, 2 and 9 blocks per stage.
    """

    def __init__(self, num_blocks: int) -> None:
        layers: list[nn.Module] = [normalized(nn.Conv2d(3, 16, 3, padding=1), gamma=1.0)]
        in_channels = 16
        for channels, stride in ((16, 1), (32, 2), (64, 2)):
            for index in range(num_blocks):
                layers.append(Block(in_channels, channels, stride if index == 0 else 1, num_blocks))
                in_channels = channels
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, NUM_CLASSES))


@torch.no_grad()
def initialize(model: nn.Module, init: str) -> None:
    """Set the weight-normalized layers: orthogonal v, biases 0, and g by the init; the head stays as it is.

    Args:
        model: one of the networks.
        init: ``pytorch`` (g is the norm of v) or ``proposed`` (Arpit et al. 2019, Sec. 3 and 4).
    """
    for layer in model.modules():
        if not hasattr(layer, "gamma"):
            continue
        g, v = layer.parametrizations.weight.original0, layer.parametrizations.weight.original1
        nn.init.orthogonal_(v)
        if init == "proposed":
            g.fill_((layer.gamma * v.shape[1] / v.shape[0]) ** 0.5)
        else:
            g.copy_(v.flatten(1).norm(dim=1).view_as(g))
        nn.init.zeros_(layer.bias)
