"""Orthogonal initialization: Saxe, McClelland & Ganguli 2014."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor

from initlab.errors import ConfigError, Refused
from initlab.init import draw
from initlab.init.base import SiteInit, unplaced
from initlab.site import Site


@dataclass(frozen=True)
class Orthogonal(SiteInit):
    """Haar-distributed orthogonal weights times a gain, biases 0; the head keeps torch's default.

    A convolution's weight is orthogonal as a matrix of shape ``(out, in * k^2)``: its rows are where it is
    wide, its columns where it is tall. On a weight-normalized layer g becomes the row norms of the weight.

    Args:
        relu_gain: the gain where a ReLU follows; 1 makes all gains equal.
    """

    formula: ClassVar[str] = "W = gain · Q, Q orthogonal (Haar), gain √2 before a ReLU, else 1; b = 0"
    held_by: ClassVar[str] = "test_rows_or_columns_are_orthogonal_with_the_gain_of_a_relu_where_one_follows"

    relu_gain: float = 2**0.5

    def __post_init__(self) -> None:
        if not self.relu_gain > 0:
            raise ConfigError(f"init.relu_gain={self.relu_gain}: must be positive")

    def weight(self, site: Site, rng: Generator) -> Tensor:
        """Draw the weight of one layer, of shape ``site.shape``."""
        if site.relu is None and self.relu_gain != 1:
            raise Refused(f"{unplaced('Orthogonal', site)}; or set init.relu_gain=1")
        return (self.relu_gain if site.relu else 1.0) * draw.orthogonal(site.shape, rng)
