"""PyTorch's default init, with and without weight normalization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Generator, Tensor, nn

from initlab.errors import ConfigError
from initlab.init import draw
from initlab.init.base import Batch, Init, torch_default_, zero_bias_
from initlab.init.directions import direction
from initlab.norm.base import is_weight_normalized, set_weight_
from initlab.site import Site


@dataclass(frozen=True)
class Pytorch(Init):
    r"""What a user gets who sets nothing: the baseline "PyTorch default" of Arpit et al. 2019, Fig. 3 and 4.

    A plain layer has weight and bias uniform on :math:`\pm 1/\sqrt{\mathrm{fan\_in}}`. A weight-normalized
    layer has :math:`g = \lVert v \rVert`, row by row, and bias 0, so its first effective weight is v itself:
    every residual block of two such layers multiplies the squared norm by 1.5 with orthogonal v, by 3 with
    He's.

    Differs from the paper: the text does not say which v the baseline has. Its code takes orthogonal or He
    directions, and the pictures of Fig. 3 and 4 are of orthogonal ones; ``uniform`` is torch's own draw.

    Args:
        directions: v of weight-normalized layers: ``orthogonal``, ``he`` (normal, fan-in) or ``uniform``.
    """

    formula: ClassVar[str] = "W, b uniform on ±1/√(k² n_in); under weight norm g = ‖v‖, v orthogonal, b = 0"
    held_by: ClassVar[str] = "test_each_residual_block_multiplies_the_squared_norm"

    directions: Literal["orthogonal", "he", "uniform"] = "orthogonal"

    def __post_init__(self) -> None:
        if self.directions not in ("orthogonal", "he", "uniform"):
            raise ConfigError(f"init.directions={self.directions}: must be orthogonal, he or uniform")

    def set_sites_(
        self, sites: Sequence[Site], model: nn.Module, generator: Generator, batch: Batch | None
    ) -> None:
        """Set every site in the order listed, the head like any other."""
        for site in sites:
            if is_weight_normalized(site.layer):
                set_weight_(site.layer, self.weight(site, generator))
                zero_bias_(site)
            else:
                torch_default_(site, generator)

    def weight(self, site: Site, rng: Generator) -> Tensor:
        """Draw v of one weight-normalized layer, of shape ``site.shape``."""
        if self.directions == "uniform":
            return draw.uniform(site.shape, site.fan_in**-0.5, rng)
        return direction(site, self.directions, rng)
