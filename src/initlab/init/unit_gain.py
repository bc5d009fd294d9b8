"""Weight normalization with all gains 1: the "He initialization" of Arpit et al. 2019, Fig. 1 and App. A."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor

from initlab.init.base import SiteInit
from initlab.init.directions import Directions, check_directions, direction
from initlab.site import Site


@dataclass(frozen=True)
class UnitGain(SiteInit):
    r"""Gains :math:`g = 1` and biases 0: what the proposed init is compared with in Fig. 1.

    A row of the effective weight then has norm 1, whatever was drawn, and with n inputs, m outputs and a ReLU
    a layer multiplies the mean squared norm by :math:`m / (2n)`: the signal of a deep network dies, and a
    residual block of layers of equal width multiplies it by :math:`1 + m / (2n)`, m the hidden width.

    Args:
        directions: of v: ``he`` (normal), as in the paper, or ``orthogonal``.
    """

    formula: ClassVar[str] = "g = 1, v normal; b = 0"
    held_by: ClassVar[str] = "test_a_layer_multiplies_the_mean_squared_norm_by_half_the_ratio_of_its_widths"

    needs_weight_norm: ClassVar[bool] = True

    directions: Directions = "he"

    def __post_init__(self) -> None:
        check_directions(self.directions)

    def weight(self, site: Site, rng: Generator) -> Tensor:
        """Draw the direction v of one layer, of shape ``site.shape``."""
        return direction(site, self.directions, rng)

    def gain(self, site: Site) -> float:
        """Return 1."""
        return 1.0
