"""Stage-wise Hanin: Hanin & Rolnick 2018 as the baseline of Arpit et al. 2019, Fig. 3 and 4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from initlab.errors import ConfigError, Refused
from initlab.init.proposed import Proposed
from initlab.site import Site


@dataclass(frozen=True)
class Hanin(Proposed):
    r"""The proposed gains, but :math:`g = 0.9^b` for the last layer of the branch of block b = 1, 2, ....

    The count b starts again in every stage, so a stage of :math:`B_k` blocks multiplies the squared norm by
    :math:`\prod_{b \le B_k} (1 + 0.81^b)`, at most 35.4, where the proposed gains stay below e. As with the
    other gains the ratio of fans enters too; it is 1 where the branch's last layer keeps its width.

    Args:
        directions: of v: ``orthogonal``, or ``he`` (normal; its scale does not matter).
        gain_mode: ``forward`` keeps the forward norm, ``backward`` the gradient's; see ``Proposed``.
        stem_gamma: gamma of the first layer; None for the rule.
        decay: the base 0.9, in (0, 1].
    """

    formula: ClassVar[str] = "g = √(γ n_in/n_out); last of branch b = 1..B_k of each stage: γ = 0.81^b; b = 0"
    held_by: ClassVar[str] = "test_a_stage_multiplies_the_squared_norm_by_the_product_of_its_blocks"

    decay: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.decay <= 1:
            raise ConfigError(f"init.decay={self.decay}: must be in (0, 1]")

    def branch_gamma(self, site: Site) -> float:
        """Return the share that the last layer of a residual branch adds to the stream."""
        if site.block is None:
            raise Refused(f"Hanin must know which block of its stage holds {site}: give its Site a block")
        return float(self.decay ** (2 * (site.block + 1)))
