"""The normal init of residual networks with balanced branches: RISOTTO paper, Def. 2.2 and Thm 2.3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Generator, Tensor, nn

from initlab.errors import Refused
from initlab.init import draw
from initlab.init.base import Batch, SiteInit
from initlab.init.residual_units import first_of_each_branch
from initlab.site import Site


@dataclass(frozen=True)
class NormalResnet(SiteInit):
    r"""Normal weights of variance :math:`2 / (k^2 n_{out})` in blocks with :math:`\alpha^2 + \beta^2 = 1`.

    A block gives :math:`\phi(\alpha f(x) + \beta h(x))`. Each block with a projection h multiplies the
    expected squared norm by :math:`\alpha^2 + \beta^2` (Thm 2.3), so L of them keep it when the scales are
    balanced and give :math:`2^L` times as much with :math:`\alpha = \beta = 1`. Biases are 0; the head is
    torch's default.

    Raises:
        Refused: a block's scales are not balanced, or the network has no blocks.
    """

    formula: ClassVar[str] = "E[W²] = 2 / (k² n_out), in φ(α f(x) + β h(x)) with α² + β² = 1; b = 0"
    held_by: ClassVar[str] = "test_balanced_blocks_keep_the_squared_norm_and_others_double_it"

    def weight(self, site: Site, rng: Generator) -> Tensor:
        """Draw the weight of one layer, of shape ``site.shape``."""
        return draw.he(site.shape, site.fan_out, "normal", rng)

    def set_sites_(
        self, sites: Sequence[Site], model: nn.Module, generator: Generator, batch: Batch | None
    ) -> None:
        """Set every site, once the scales of every block are seen to be balanced."""
        for site in first_of_each_branch(sites, model, "NormalResnet"):
            unit: Any = site.unit
            residual, skip = getattr(unit, "residual_scale", 1.0), getattr(unit, "skip_scale", 1.0)
            if abs(residual**2 + skip**2 - 1) > 1e-3:
                raise Refused(
                    f"NormalResnet needs residual_scale^2 + skip_scale^2 = 1 and the block of {site.name} "
                    f"has {residual:g} and {skip:g}: build the model with model.residual_scale=0.70710678 "
                    "and model.skip_scale=0.70710678, on a network with these options, such as resnet_c"
                )
            if getattr(unit, "input_std", 1.0) != 1:
                raise Refused(
                    f"NormalResnet balances the scales of branch and skip and the block of {site.name} "
                    "divides its branch's input too: build the model with model.scale_branch_input=false"
                )
        super().set_sites_(sites, model, generator, batch)
