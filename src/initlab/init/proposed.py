"""The proposed init of weight-normalized ReLU networks: Arpit, Campos & Bengio 2019, Sec. 3 and 4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Generator, Tensor

from initlab.errors import ConfigError
from initlab.init.base import SiteInit, unplaced
from initlab.init.directions import Directions, check_directions, direction
from initlab.site import Role, Site


@dataclass(frozen=True)
class Proposed(SiteInit):
    r"""Gains :math:`g = \sqrt{\gamma\, n_{in} / n_{out}}` that keep the forward norm (Thm 1), biases 0.

    The kernel area cancels in the ratio of fans: :math:`n_{in} / n_{out}` is ``in_channels / out_channels``.
    :math:`\gamma` is 2 where a ReLU follows, 1 where none does, and :math:`1/B_k` for the last layer of
    each residual branch in a stage of :math:`B_k` blocks (Thm 2), whose output norm then grows by at most
    :math:`(1 + 1/B_k)^{B_k/2} < \sqrt{e}` per stage.

    Differs from the paper: the head is plain and keeps torch's default, as in the paper's code. That code
    also gives the stem of its CIFAR ResNets :math:`\gamma = 2` though no ReLU follows it; here the rule
    holds unless ``stem_gamma`` says otherwise.

    Args:
        directions: of v: ``orthogonal``, or ``he`` (normal; its scale does not matter).
        gain_mode: ``forward`` keeps the forward norm; ``backward`` sets :math:`g = \sqrt{\gamma}`, which
            keeps the gradient's norm instead. The two agree where ``in_channels == out_channels``.
        stem_gamma: :math:`\gamma` of the first layer; None for the rule.
    """

    formula: ClassVar[str] = (
        "g = √(γ n_in/n_out), γ = 2 before a ReLU, 1/B_k for the last of a branch, else 1; b = 0"
    )
    held_by: ClassVar[str] = "test_theorem_1_the_mean_squared_norm_is_kept"

    needs_places: ClassVar[bool] = True
    needs_weight_norm: ClassVar[bool] = True

    directions: Directions = "orthogonal"
    gain_mode: Literal["forward", "backward"] = "forward"
    stem_gamma: float | None = None

    def __post_init__(self) -> None:
        check_directions(self.directions)
        if self.gain_mode not in ("forward", "backward"):
            raise ConfigError(f"init.gain_mode={self.gain_mode}: must be forward or backward")
        if self.stem_gamma is not None and not self.stem_gamma > 0:
            raise ConfigError(f"init.stem_gamma={self.stem_gamma}: must be positive, or null for the rule")

    def weight(self, site: Site, rng: Generator) -> Tensor:
        """Draw the direction v of one layer, of shape ``site.shape``."""
        return direction(site, self.directions, rng)

    def gain(self, site: Site) -> float:
        """Return g of one layer, the same for all its units."""
        if site.role is Role.UNKNOWN or site.relu is None:
            raise unplaced(type(self).__name__, site)
        ratio = site.in_channels / site.out_channels if self.gain_mode == "forward" else 1.0
        return float((self.gamma(site) * ratio) ** 0.5)

    def gamma(self, site: Site) -> float:
        """Return the share of squared norm that the layer passes on."""
        if site.role is Role.STEM and self.stem_gamma is not None:
            return self.stem_gamma
        if site.last_in_branch:
            return self.branch_gamma(site)
        return 2.0 if site.relu else 1.0

    def branch_gamma(self, site: Site) -> float:
        """Return the share that the last layer of a residual branch adds to the stream."""
        assert site.num_blocks is not None
        return 1 / site.num_blocks
