"""Directions of weight-normalized layers: of v in ``g v / ||v||`` only the direction matters."""

from __future__ import annotations

from typing import Literal

from torch import Generator, Tensor

from initlab.errors import ConfigError
from initlab.init import draw
from initlab.site import Site

Directions = Literal["orthogonal", "he"]


def direction(site: Site, kind: Directions, rng: Generator) -> Tensor:
    """Draw v of one layer, of shape ``site.shape``: orthogonal, or normal with He's fan-in variance."""
    if kind == "orthogonal":
        return draw.orthogonal(site.shape, rng)
    return draw.he(site.shape, site.fan_in, "normal", rng)


def check_directions(kind: str) -> None:
    """Refuse a kind of direction that does not exist."""
    if kind not in ("orthogonal", "he"):
        raise ConfigError(f"init.directions={kind}: must be orthogonal or he")
