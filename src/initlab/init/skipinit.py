"""SkipInit: De & Smith 2020, Sec. 4; a baseline of the RISOTTO paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor, nn

from initlab.init import draw
from initlab.init.base import Batch, SiteInit
from initlab.init.residual_units import first_of_each_branch, set_residual_scale_
from initlab.site import Site


@dataclass(frozen=True)
class Skipinit(SiteInit):
    r"""Residual scales :math:`\alpha = 0` and He weights everywhere else: each block starts as its skip.

    At the first step the weights of the branches have gradient 0 and :math:`\alpha` has not. Biases are 0;
    the head is torch's default. Made for networks without norm; where every skip is a projection the network
    starts as a plain chain of linear layers and ReLUs.

    Args:
        distribution: ``normal`` or ``uniform``, of variance :math:`2 / (k^2 n_{out})`.

    Raises:
        Refused: the network has no blocks or no learned residual scales.
    """

    formula: ClassVar[str] = "α = 0, E[W²] = 2 / (k² n_out); b = 0"
    held_by: ClassVar[str] = "test_branch_weights_have_zero_gradient_at_the_first_step_and_scales_have_not"

    distribution: draw.Distribution = "normal"

    def __post_init__(self) -> None:
        draw.check_distribution(self.distribution)

    def weight(self, site: Site, rng: Generator) -> Tensor:
        """Draw the weight of one layer, of shape ``site.shape``."""
        return draw.he(site.shape, site.fan_out, self.distribution, rng)

    def set_sites_(
        self, sites: Sequence[Site], model: nn.Module, generator: Generator, batch: Batch | None
    ) -> None:
        """Set every residual scale, then every site."""
        for site in first_of_each_branch(sites, model, "SkipInit"):
            set_residual_scale_(site, 0.0, "SkipInit")
        super().set_sites_(sites, model, generator, batch)
