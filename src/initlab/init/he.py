"""He initialization: He, Zhang, Ren & Sun 2015, Eq. 10 (fan_in) and Eq. 14 (fan_out)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Generator, Tensor

from initlab.errors import ConfigError
from initlab.init import draw
from initlab.init.base import SiteInit
from initlab.site import Site


@dataclass(frozen=True)
class He(SiteInit):
    r"""Independent entries with :math:`E[W^2] = 2 / n`, biases 0, on every layer, the head too.

    The fan n counts the kernel: :math:`k^2 n_{in}` keeps the forward norm, :math:`k^2 n_{out}` the
    gradient's. On a weight-normalized layer g becomes the row norms of the weight drawn.

    Args:
        distribution: ``normal``, or ``uniform`` on :math:`\pm\sqrt{6 / n}`.
        mode: ``fan_in`` or ``fan_out``.
    """

    formula: ClassVar[str] = "E[W²] = 2 / fan, fan = k² n_in or k² n_out; b = 0"
    held_by: ClassVar[str] = "test_the_second_moment_is_2_over_the_fan"

    distribution: draw.Distribution = "normal"
    mode: Literal["fan_in", "fan_out"] = "fan_in"

    def __post_init__(self) -> None:
        draw.check_distribution(self.distribution)
        if self.mode not in ("fan_in", "fan_out"):
            raise ConfigError(f"init.mode={self.mode}: must be fan_in or fan_out")

    def weight(self, site: Site, rng: Generator) -> Tensor:
        """Draw the weight of one layer, of shape ``site.shape``."""
        fan = site.fan_in if self.mode == "fan_in" else site.fan_out
        return draw.he(site.shape, fan, self.distribution, rng)

    def head(self, site: Site, rng: Generator) -> None:
        """Set the last layer like any other."""
        self.set_site_(site, rng)
