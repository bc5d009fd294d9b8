"""Fixup: Zhang, Dauphin & Ma 2019, Sec. 3; a baseline of the RISOTTO paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from initlab.errors import Refused
from initlab.init import draw
from initlab.init.base import Batch, Init, zero_bias_
from initlab.init.residual_units import first_of_each_branch, refuse_norms, set_residual_scale_
from initlab.norm.base import set_weight_
from initlab.site import Role, Site


@dataclass(frozen=True)
class Fixup(Init):
    r"""He normal weights (fan_out), scaled down in the branches so that SGD moves the function by O(lr).

    - The last layer of each branch of m layers, and the head (weight and bias): 0.
    - The other layers of a branch: He times :math:`L^{-1/(2m-2)}` for L blocks (8 blocks of 2: .35355; of 3
      layers each, 16: .5, 33: .41723, 99: .31702).
    - All else, projections included: He. Scalar biases 0, residual scales 1, biases 0.

    The logits are then exactly 0 and the cross entropy is ln(num_classes). A block with the identity on its
    skip starts as the identity (followed by its ReLU, if it has one).

    Raises:
        Refused: the network has a norm, no blocks, no learned residual scales or no scalar biases.
    """

    formula: ClassVar[str] = (
        "E[W²] = 2 / (k² n_out) · L^(-1/(m-1)) in branches of m layers, L blocks; last of a branch and head 0"
    )
    held_by: ClassVar[str] = "test_branch_weights_are_hes_times_the_factor"

    def set_sites_(
        self, sites: Sequence[Site], model: nn.Module, generator: Generator, batch: Batch | None
    ) -> None:
        """Set every site in the order listed."""
        refuse_norms(sites, model, "Fixup")
        firsts = first_of_each_branch(sites, model, "Fixup")
        for site in firsts:
            if not getattr(site.unit, "scalar_biases", False):
                raise Refused(
                    f"Fixup learns a scalar bias before every layer and the block of {site.name} has none: "
                    "build the model with model.scalar_biases=true, on a network with that option, such as "
                    "resnet_c"
                )
            set_residual_scale_(site, 1.0, "Fixup")
        for site in sites:
            set_weight_(site.layer, self.weight(site, len(firsts), generator))
            zero_bias_(site)

    def weight(self, site: Site, num_blocks: int, rng: Generator) -> Tensor:
        """Draw the weight of one layer of a network of ``num_blocks`` blocks, of shape ``site.shape``."""
        if site.role is Role.HEAD or site.last_in_branch:
            return torch.zeros(site.shape)
        std = (2 / site.fan_out) ** 0.5
        if site.role is Role.BRANCH:
            std *= num_blocks ** (-1 / (2 * site.branch_length - 2))
        return draw.normal(site.shape, std, rng)
