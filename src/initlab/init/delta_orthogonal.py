"""Delta-orthogonal init of convolutions: Xiao et al. 2018, Algorithm 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor

from initlab.errors import ConfigError, Refused
from initlab.init import draw
from initlab.init.base import SiteInit
from initlab.init.isometry import delta
from initlab.site import Site


@dataclass(frozen=True)
class DeltaOrthogonal(SiteInit):
    r"""A random (semi-)orthogonal matrix at the middle tap of each convolution, 0 at all others; biases 0.

    A linear network of such layers is an isometry that no border disturbs. Linear layers are plainly
    orthogonal.

    Differs from the paper: layers that narrow are allowed, with orthonormal rows.

    Args:
        scale: of every weight; :math:`\sqrt 2` keeps the mean norm where ReLUs follow.
    """

    formula: ClassVar[str] = "W[:, :, k//2, k//2] = scale · Q, Q orthogonal (Haar), 0 elsewhere; b = 0"
    held_by: ClassVar[str] = "test_a_linear_network_scales_every_direction_alike_up_to_the_borders"

    scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise ConfigError(f"init.scale={self.scale}: must be positive")

    def weight(self, site: Site, rng: Generator) -> Tensor:
        """Draw the weight of one layer, of shape ``site.shape``."""
        if site.groups != 1:
            raise Refused(f"DeltaOrthogonal would cross the {site.groups} groups of {site}: use groups=1")
        return delta(self.scale * draw.orthogonal(site.shape[:2], rng), site.kernel_size)
