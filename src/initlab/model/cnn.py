"""The plain convolutional network of Arpit et al. 2019, Fig. 3 (left)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from initlab.model.base import PaddingMode, check_images, check_padding_mode, check_positive
from initlab.model.in_turn import InTurn
from initlab.norm.base import Norm
from initlab.site import Role, Site


class Cnn(nn.Module):
    """``depth`` 3x3 convolutions with ReLU, global average pooling, then a linear head that no norm touches.

    The first two convolutions have stride 2. With an activation norm each is Conv-norm-ReLU.

    Args:
        depth: number of convolutions.
        width: channels of each.
        padding_mode: ``zeros`` as in the paper, or ``circular``, with which norms are kept exactly.
        input_shape: of one image, ``(C, H, W)``.
        num_classes: number of logits.
        norm: normalization of the convolutions.

    Raises:
        ConfigError: a size is not positive, or the inputs are no images.
    """

    def __init__(
        self,
        depth: int,
        width: int = 512,
        padding_mode: PaddingMode = "zeros",
        *,
        input_shape: Sequence[int],
        num_classes: int,
        norm: Norm,
    ) -> None:
        super().__init__()
        channels = check_images("cnn", input_shape)
        check_positive("model.width", width)
        check_padding_mode(padding_mode)
        norm = InTurn(norm, check_positive("model.depth", depth))
        layers: list[nn.Module] = []
        for index in range(depth):
            stride = 2 if index < 2 else 1
            conv = nn.Conv2d(channels, width, 3, stride, padding=1, padding_mode=padding_mode)
            normalization = norm.activation(width)
            layers += [norm.wrap(conv), *([] if normalization is None else [normalization]), nn.ReLU()]
            channels = width
        self.hidden = nn.Sequential(*layers)
        self.head = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(N, C, H, W)`` to logits ``(N, num_classes)``."""
        logits: Tensor = self.head(self.hidden(images).mean((2, 3)))
        return logits

    def sites(self) -> Iterator[Site]:
        """List the layers in order of use."""
        role = Role.STEM
        for name, layer in self.hidden.named_children():
            if isinstance(layer, nn.Conv2d):
                yield Site(f"hidden.{name}", layer, role, relu=True)
                role = Role.HIDDEN
        yield Site("head", self.head, Role.HEAD, relu=False)
