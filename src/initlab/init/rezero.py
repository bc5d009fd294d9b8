"""ReZero: Bachlechner, Majumder, Mao, Cottrell & McAuley 2021, Sec. 3."""

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
class Rezero(SiteInit):
    r"""Residual scales :math:`\alpha = 0`, and He normal weights of variance :math:`2 / (k^2 n_{in})`.

    The scale is the one of :class:`~initlab.init.skipinit.Skipinit`, found independently: SkipInit takes the
    norms out of a network and uses the fan_out, ReZero leaves the network its norms and, in the authors'
    ResNet, uses the fan_in on all layers with the head. Biases are 0.

    Differs from the paper: where the blocks of a network have a ReLU after the addition it stays there; the
    paper's blocks, :math:`x + \alpha F(x)`, have none (``model.preact=true``).

    Raises:
        Refused: the network has no blocks or no learned residual scales.
    """

    formula: ClassVar[str] = "α = 0, E[W²] = 2 / (k² n_in); b = 0"
    held_by: ClassVar[str] = "test_weights_are_hes_by_fan_in_with_the_head_and_under_batch_norm"

    def weight(self, site: Site, rng: Generator) -> Tensor:
        """Draw the weight of one layer, of shape ``site.shape``."""
        return draw.he(site.shape, site.fan_in, "normal", rng)

    def head(self, site: Site, rng: Generator) -> None:
        """Set the last layer like any other."""
        self.set_site_(site, rng)

    def set_sites_(
        self, sites: Sequence[Site], model: nn.Module, generator: Generator, batch: Batch | None
    ) -> None:
        """Set every residual scale, then every site."""
        for site in first_of_each_branch(sites, model, "ReZero"):
            set_residual_scale_(site, 0.0, "ReZero")
        super().set_sites_(sites, model, generator, batch)
