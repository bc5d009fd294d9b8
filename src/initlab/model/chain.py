"""What plain networks share: layers in a row and a linear head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from initlab.norm.scaled import Scale, bare, scaled
from initlab.site import LAYERS, Role, Site, named


class Chain(nn.Module):
    """A row of layers, each followed by a ReLU, and a linear head.

    Args:
        hidden: the modules before the head, in order of use; a ReLU follows each linear or convolutional one.
        head: the layer that gives the logits.
        layer_scales: give each layer a fixed multiplier, and the network one on its input
            (``input_scale``) and one on its logits (``output_scale``), for ``init=preconditioned`` and
            ``init.output_std``. All are buffers and 1 until an init sets them.
    """

    def __init__(self, hidden: Sequence[nn.Module], head: nn.Linear, layer_scales: bool = False) -> None:
        super().__init__()
        self.input_scale = Scale() if layer_scales else nn.Identity()
        self.hidden = nn.Sequential(*(scaled(m, layer_scales and isinstance(m, LAYERS)) for m in hidden))
        self.head = scaled(head, layer_scales)
        self.output_scale = Scale() if layer_scales else nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(N, ...)`` to logits ``(N, num_classes)``."""
        logits: Tensor = self.output_scale(self.head(self.hidden(self.input_scale(inputs))))
        return logits

    def sites(self) -> Iterator[Site]:
        """List the layers in order of use."""
        return named(self, self._sites())

    def _sites(self) -> Iterator[Site]:
        role = Role.STEM
        for module in self.hidden:
            if isinstance(bare(module), LAYERS):
                yield Site("", bare(module), role, relu=True)
                role = Role.HIDDEN
        yield Site("", bare(self.head), Role.HEAD, relu=False)
