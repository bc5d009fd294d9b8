"""N-RISOTTO, RISOTTO with a little noise: Gadhikar & Burkholz 2022, Sec. 2.3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, nn

from initlab.errors import ConfigError
from initlab.init import draw
from initlab.init.base import Batch
from initlab.init.risotto import Risotto
from initlab.norm.base import set_weight_
from initlab.site import Role, Site


@dataclass(frozen=True)
class NRisotto(Risotto):
    r"""Add :math:`\epsilon\, \mathcal N(0, 2 / \mathrm{fan\_out})` to every RISOTTO weight but the head's.

    The noise breaks the ties between equal weights. At the default the singular values stay within about 4e-4
    of 1 (6 blocks, 16 channels, 6x6 pixels) as long as every pair has one active half. Near 0 both halves, or
    neither, can become active: in 13 of 50 draws some pair broke, and the largest singular value was then off
    by 0.02 to 0.7; at 1e-3 pairs break in most draws and at 1e-2 in all. From the same generator the RISOTTO
    weights beneath are those of :class:`Risotto`.

    Args:
        form: see :class:`Risotto`.
        noise: epsilon.
    """

    formula: ClassVar[str] = "W = W_risotto + ε N(0, 2 / (k² n_out)), ε = 1e-4; b = 0"
    held_by: ClassVar[str] = "test_a_little_noise_leaves_a_near_isometry_and_much_noise_does_not"

    noise: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.noise >= 0:
            raise ConfigError(f"init.noise={self.noise}: must not be negative")

    def set_sites_(
        self, sites: Sequence[Site], model: nn.Module, generator: Generator, batch: Batch | None
    ) -> None:
        """Set every site as RISOTTO does, then add the noise."""
        super().set_sites_(sites, model, generator, batch)
        for site in sites:
            if site.role is not Role.HEAD:
                noise = draw.normal(site.shape, self.noise * (2 / site.fan_out) ** 0.5, generator)
                with torch.no_grad():
                    set_weight_(site.layer, site.layer.weight.detach().cpu().double() + noise)
