"""Looks-linear init of plain ReLU chains: Balduzzi et al. 2017; Burkholz & Dubatovka 2019."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor, nn

from initlab.errors import Refused
from initlab.init import isometry
from initlab.init.base import Batch, SiteInit
from initlab.site import Role, Site


@dataclass(frozen=True)
class LooksLinear(SiteInit):
    r"""The first layer is :math:`[U; -U]`, every other hidden one :math:`[[U, -U], [-U, U]]`, U orthogonal.

    The ReLU network then equals the linear network of the matrices U, and is an exact isometry where no layer
    narrows. Convolutions have the matrix at their middle tap. The head is torch's default. For residual
    networks see ``risotto``.

    Raises:
        Refused: the network has residual blocks, does not tell which layer is the first, or an odd width.
    """

    formula: ClassVar[str] = "first W = [U; -U], others [[U, -U], [-U, U]], U orthogonal (Haar); b = 0"
    held_by: ClassVar[str] = "test_a_relu_chain_is_an_isometry_at_any_depth"
    needs_places: ClassVar[bool] = True

    def set_sites_(
        self, sites: Sequence[Site], model: nn.Module, generator: Generator, batch: Batch | None
    ) -> None:
        """Set every site, after a warning where strides leave pixels out."""
        isometry.warn_of_strides(sites, model)
        super().set_sites_(sites, model, generator, batch)

    def weight(self, site: Site, rng: Generator) -> Tensor:
        """Draw the weight of one layer, of shape ``site.shape``."""
        if site.role is Role.STEM:
            return isometry.stem_weight(site, rng)
        if site.role is Role.HIDDEN:
            return isometry.hidden_weight(site, rng)
        raise Refused(f"LooksLinear is for plain chains and {site} is in a residual block: use init=risotto")
