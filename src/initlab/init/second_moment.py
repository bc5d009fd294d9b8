"""What the inits of Defazio & Bottou share: weights of a given second moment, and the output scale."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call

from initlab.errors import ConfigError, Refused
from initlab.init import draw
from initlab.init.base import Batch, SiteInit
from initlab.norm.scaled import Scale
from initlab.site import Site


@dataclass(frozen=True)
class SecondMoment(SiteInit):
    r"""Independent normal weights with :math:`E[W^2]` from a formula in c and the fans; biases 0.

    The head is a layer like the others: the paper's theory, and its experiments, scale it too.

    Args:
        c: the constant of the formula; 2 makes up for the ReLU and balances the biases (Prop. 7).
        output_std: standard deviation of the logits over one batch, reached through the network's fixed
            ``output_scale`` (Sec. 6.4; 0.05 in App. F); null leaves the logits alone.
    """

    c: float = 2.0
    output_std: float | None = None

    def __post_init__(self) -> None:
        if not self.c > 0:
            raise ConfigError(f"init.c={self.c}: must be positive")
        if self.output_std is not None and not self.output_std > 0:
            raise ConfigError(f"init.output_std={self.output_std}: must be positive or null")
        # Whether a batch is needed depends on an option, so the instance overrides its class.
        object.__setattr__(self, "needs_batch", self.output_std is not None)

    @abstractmethod
    def second_moment(self, site: Site) -> float:
        """Return :math:`E[W^2]` of one layer."""

    def weight(self, site: Site, rng: Generator) -> Tensor:
        """Draw the weight of one layer, of shape ``site.shape``."""
        return draw.normal(site.shape, self.second_moment(site) ** 0.5, rng)

    def head(self, site: Site, rng: Generator) -> None:
        """Set the last layer like every other."""
        self.set_site_(site, rng)

    def set_sites_(
        self, sites: Sequence[Site], model: nn.Module, generator: Generator, batch: Batch | None
    ) -> None:
        """Set every site, then the output scale.

        Raises:
            Refused: ``output_std`` is set and the network has no ``output_scale``, or constant logits.
        """
        if self.output_std is not None:
            fixed_scale(model, "output_scale", "init.output_std")
        super().set_sites_(sites, model, generator, batch)
        if self.output_std is not None:
            assert batch is not None
            set_output_std_(model, batch, self.output_std)


def fixed_scale(model: nn.Module, name: str, option: str) -> Scale:
    """Return the fixed multiplier of that name.

    Raises:
        Refused: the network has none.
    """
    scale = getattr(model, name, None)
    if not isinstance(scale, Scale):
        raise Refused(
            f"{option} sets the {name} of the network and {type(model).__name__} has none: "
            "build the model with model.layer_scales=true, on a network with that option, such as mlp or "
            "resnet_c"
        )
    return scale


@torch.no_grad()
def outputs_of(model: nn.Module, batch: Batch) -> Tensor:
    """Run the network on a batch in its present mode and leave its buffers (running statistics) alone."""
    inputs = batch if isinstance(batch, Tensor) else batch[0]
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    outputs: Tensor = functional_call(model, buffers, (inputs.to(next(model.parameters())),))
    return outputs


@torch.no_grad()
def set_output_std_(model: nn.Module, batch: Batch, output_std: float) -> None:
    r"""Set ``model.output_scale`` so that the logits of the batch have that standard deviation.

    The deviation is the population's, about the mean over samples and classes together.

    Raises:
        Refused: the logits are constant or not finite.
    """
    scale = fixed_scale(model, "output_scale", "init.output_std")
    scale.reset_parameters()
    std = float(outputs_of(model, batch).double().std(correction=0))
    if not (isfinite(std) and std > 0):
        raise Refused(f"init.output_std={output_std}: the logits of the batch have standard deviation {std}")
    scale.scale.fill_(output_std / std)
