"""No normalization."""

from initlab.norm.base import Norm


class NoNorm(Norm):
    """Leave layers and activations as they are."""
