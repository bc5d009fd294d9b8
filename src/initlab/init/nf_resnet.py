"""The init of normalizer-free residual networks: Brock, De & Smith 2021, Sec. 4; a RISOTTO baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Generator, Tensor, nn

from initlab.errors import Refused
from initlab.init import draw
from initlab.init.base import Batch, SiteInit
from initlab.init.residual_units import first_of_each_branch
from initlab.norm.scaled_weight_standardization import is_standardized
from initlab.site import Role, Site


@dataclass(frozen=True)
class NfResnet(SiteInit):
    r"""He weights under scaled weight standardization, in blocks :math:`h + \alpha f(h / \beta_l)`.

    The network does the work: standardized weights give f unit variance on inputs of unit variance, and
    :math:`\beta_l` is the standard deviation expected of h, :math:`\beta_{l+1}^2 = \beta_l^2 + \alpha^2`,
    reset to :math:`1 + \alpha^2` by a projection. The scale of the weights drawn does not matter.
    The stem sees no ReLU: it multiplies the variance of white inputs by the squared gain 2.934, a factor that
    all of the stream keeps, since the network is homogeneous. Biases are 0; the head is torch's default.

    The recursion holds for the stream z of the pre-activation form. In the post-activation form it holds
    where every skip has a projection; with identity skips, which there carry relu(z), it is an approximation:
    :math:`2 E[x^2]` is 1.06, 1.12, 1.18, 1.25 after four blocks for 1.04, 1.08, 1.12, 1.16.

    Args:
        distribution: ``normal`` or ``uniform``, of the weights before standardization.
        alpha: the residual scale that the model must have.

    Raises:
        Refused: a weight is not standardized, or a block is not of this form.
    """

    formula: ClassVar[str] = (
        "Ŵ = γ (W - μ) / (σ √n_in), γ² = 2 / (1 - 1/π), in h + α f(h/β_l), β_(l+1)² = β_l² + α²"
    )
    held_by: ClassVar[str] = "test_the_variance_of_the_stream_follows_the_recursion"

    distribution: draw.Distribution = "normal"
    alpha: float = 0.2

    def __post_init__(self) -> None:
        draw.check_distribution(self.distribution)

    def weight(self, site: Site, rng: Generator) -> Tensor:
        """Draw the raw weight of one layer, of shape ``site.shape``."""
        return draw.he(site.shape, site.fan_out, self.distribution, rng)

    def set_sites_(
        self, sites: Sequence[Site], model: nn.Module, generator: Generator, batch: Batch | None
    ) -> None:
        """Set every site, once the network is seen to be of the form above."""
        for site in sites:
            if site.role is not Role.HEAD and not is_standardized(site.layer):
                raise Refused(
                    f"NfResnet needs standardized weights and {site} has a plain one: build the model with "
                    "norm=scaled_weight_standardization"
                )
        projected = {id(site.unit) for site in sites if site.role is Role.SHORTCUT}
        variance = 1.0
        for site in first_of_each_branch(sites, model, "NfResnet"):
            unit: Any = site.unit
            residual, skip = getattr(unit, "residual_scale", 1.0), getattr(unit, "skip_scale", 1.0)
            if (residual, skip) != (self.alpha, 1):
                raise Refused(
                    f"NfResnet needs h + {self.alpha:g} f(h / beta) and the block of {site.name} has scales "
                    f"{residual:g} and {skip:g}: build the model with model.residual_scale={self.alpha:g} "
                    "and model.skip_scale=1, on a network with these options, such as resnet_b"
                )
            if abs(getattr(unit, "input_std", 1.0) - variance**0.5) > 1e-6:
                raise Refused(
                    f"NfResnet needs the input of each branch divided by its expected standard deviation, "
                    f"{variance**0.5:.4f} at {site.name}: build the model with model.scale_branch_input=true"
                )
            variance = (1.0 if id(unit) in projected else variance) + self.alpha**2
        super().set_sites_(sites, model, generator, batch)
