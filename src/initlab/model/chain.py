"""What plain networks share: layers in a row and a linear head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from initlab.norm.scaled import Scale, Scaled
from initlab.site import LAYERS, Role, Site


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
        self.hidden = nn.Sequential(
            *(Scaled(m) if layer_scales and isinstance(m, LAYERS) else m for m in hidden)
        )
        self.head: nn.Module = Scaled(head) if layer_scales else head
        self.output_scale = Scale() if layer_scales else nn.Identity()

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(N, ...)`` to logits ``(N, num_classes)``."""
        logits: Tensor = self.output_scale(self.head(self.hidden(self.input_scale(inputs))))
        return logits

    def sites(self) -> Iterator[Site]:
        """List the layers in order of use."""
        role = Role.STEM
        for name, module in self.hidden.named_children():
            name, layer = bare(f"hidden.{name}", module)
            if isinstance(layer, LAYERS):
                yield Site(name, layer, role, relu=True)
                role = Role.HIDDEN
        name, layer = bare("head", self.head)
        yield Site(name, layer, Role.HEAD, relu=False)


def bare(name: str, module: nn.Module) -> tuple[str, nn.Module]:
    """Name and layer of a module that may be a layer with a multiplier."""
    return (f"{name}.layer", module.layer) if isinstance(module, Scaled) else (name, module)
