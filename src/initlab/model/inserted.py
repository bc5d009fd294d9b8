"""A balanced network with a layer of another kind inserted: Defazio & Bottou, Sec. 7 and Table 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from initlab.errors import ConfigError
from initlab.model.base import check_images, check_positive
from initlab.model.in_turn import InTurn
from initlab.norm.base import Norm
from initlab.site import LAYERS, Role, Site

DROPPED = 0.5


class AlwaysDropout(nn.Module):
    """Dropout of half the units in evaluation too, where diagnostics measure."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Drop units of inputs of any shape."""
        return F.dropout(inputs, DROPPED, training=True)


class Skip(nn.Module):
    """``x + Conv(relu(Conv(x)))``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(conv(channels, channels), nn.ReLU(), conv(channels, channels))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to the same shape."""
        outputs: Tensor = inputs + self.branch(inputs)
        return outputs


def conv(channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Make a 3x3 convolution with circular padding."""
    return nn.Conv2d(channels, out_channels, 3, stride, padding=1, padding_mode="circular")


KINDS = {
    "none": lambda width: nn.Identity(),
    "linear": lambda width: conv(width, width),
    "strided_conv": lambda width: conv(width, width, stride=2),
    "skip": Skip,
    "average_pool": lambda width: nn.AvgPool2d(2),
    "max_pool": lambda width: nn.MaxPool2d(2),
    "dropout": lambda width: AlwaysDropout(),
    "relu": lambda width: nn.Sequential(conv(width, width), nn.ReLU()),
    "sigmoid": lambda width: nn.Sequential(conv(width, width), nn.Sigmoid()),
    "tanh": lambda width: nn.Sequential(conv(width, width), nn.Tanh()),
}


class Inserted(nn.Module):
    """Four 3x3 convolutions, the last of them the head, with something inserted in the middle.

    The first three have ReLUs; logits are the head's outputs averaged over pixels. With padding around the
    edges, one kernel size and ``init=geometric`` all layers have one GR scaling while nothing is inserted. An
    activation function is inserted with a convolution before it, and ``linear`` is a convolution without.

    Args:
        insert: what stands between the second and the third convolution: ``none``, ``linear``,
            ``strided_conv``, ``skip`` (a residual block with an identity skip), ``average_pool`` or
            ``max_pool`` (2x2), ``dropout`` (of half the units, in evaluation too), ``relu``, ``sigmoid`` or
            ``tanh``.
        width: channels of the hidden layers.
        input_shape: of one image, ``(C, H, W)``.
        num_classes: number of logits.
        norm: normalization of the three hidden convolutions.

    Raises:
        ConfigError: there is no such layer, or the inputs are no images.
    """

    def __init__(
        self, insert: str, width: int, input_shape: Sequence[int], num_classes: int, norm: Norm
    ) -> None:
        super().__init__()
        channels = check_images("inserted", input_shape)
        check_positive("model.width", width)
        if insert not in KINDS:
            raise ConfigError(f"model.insert={insert}: must be one of {', '.join(KINDS)}")
        norm = InTurn(norm, 3)
        self.below = nn.Sequential(*_conv_relu(channels, width, norm), *_conv_relu(width, width, norm))
        self.inserted: nn.Module = KINDS[insert](width)
        self.above = nn.Sequential(*_conv_relu(width, width, norm))
        self.head = conv(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to logits ``(N, num_classes)``."""
        logits: Tensor = self.head(self.above(self.inserted(self.below(images)))).mean((2, 3))
        return logits

    def sites(self) -> Iterator[Site]:
        """List the layers in order of use."""
        names = {id(module): name for name, module in self.named_modules()}
        place: dict[str, Any] = {}
        if isinstance(self.inserted, Skip):
            place = {"unit": self.inserted, "stage": 0, "block": 0, "num_blocks": 1, "branch_length": 2}
        role = Role.STEM
        for part in (self.below, self.inserted, self.above):
            layers = [module for module in part.modules() if isinstance(module, LAYERS)]
            for position, layer in enumerate(layers):
                if part is self.inserted and place:
                    yield Site(
                        names[id(layer)],
                        layer,
                        Role.BRANCH,
                        relu=position == 0,
                        position=position,
                        **place,
                    )
                else:
                    follows = part is not self.inserted or _has_relu(self.inserted)
                    yield Site(names[id(layer)], layer, role, relu=follows)
                role = Role.HIDDEN
        yield Site("head", self.head, Role.HEAD, relu=False)


def _has_relu(module: nn.Module) -> bool:
    return any(isinstance(part, nn.ReLU) for part in module.modules())


def _conv_relu(channels: int, out_channels: int, norm: Norm) -> list[nn.Module]:
    normalization = norm.activation(out_channels)
    return [
        norm.wrap(conv(channels, out_channels)),
        *([] if normalization is None else [normalization]),
        nn.ReLU(),
    ]
