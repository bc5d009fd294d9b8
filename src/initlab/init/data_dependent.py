"""Data-dependent init of weight-normalized networks: Salimans & Kingma 2016, Sec. 3."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from initlab.errors import Refused
from initlab.init.base import Batch, Init, torch_default_, zero_bias_
from initlab.init.directions import Directions, check_directions, direction
from initlab.norm.base import set_gain_, set_weight_
from initlab.site import Role, Site


@dataclass(frozen=True)
class DataDependent(Init):
    r"""Gains and biases with which every unit has mean 0 and variance 1 on one batch.

    One forward pass, layer by layer in order of use: with g = 1 and b = 0 a layer gives
    :math:`y = \hat v \cdot x` with mean :math:`\mu` and population standard deviation :math:`\sigma` per
    channel, over the batch and space; then :math:`g = 1 / \sigma`, :math:`b = -\mu / \sigma`, and
    :math:`(y - \mu) / \sigma` goes on to the next layer. The layers of a residual branch and the shortcut
    are normalized one by one and then added, so the stream's variance grows by 1 with every block. The head
    keeps torch's default.

    Statistics are taken in float64, and the network runs in evaluation mode, so that dropout draws nothing.

    Args:
        directions: of v: ``orthogonal``, or ``he`` (normal; its scale does not matter).
    """

    formula: ClassVar[str] = "g = 1/σ, b = -μ/σ, with μ, σ of v·x/‖v‖ on one batch"
    held_by: ClassVar[str] = "test_every_channel_has_mean_0_and_population_deviation_1_on_the_batch"

    needs_weight_norm: ClassVar[bool] = True
    needs_batch: ClassVar[bool] = True

    directions: Directions = "orthogonal"

    def __post_init__(self) -> None:
        check_directions(self.directions)

    def set_sites_(
        self, sites: Sequence[Site], model: nn.Module, generator: Generator, batch: Batch | None
    ) -> None:
        """Draw every direction in the order listed, then set gains and biases in one forward pass."""
        for site in sites:
            if site.role is Role.HEAD:
                torch_default_(site, generator)
                continue
            if not isinstance(site.layer.bias, Tensor):
                raise Refused(f"DataDependent centres with the bias and {site} has none: give it bias=True")
            set_weight_(site.layer, direction(site, self.directions, generator))
            set_gain_(site.layer, 1.0)
            zero_bias_(site)
        assert batch is not None  # the base class has refused
        inputs = batch if isinstance(batch, Tensor) else batch[0]
        normalize_in_one_pass_([site for site in sites if site.role is not Role.HEAD], model, inputs)


@torch.no_grad()
def normalize_in_one_pass_(sites: Sequence[Site], model: nn.Module, inputs: Tensor) -> None:
    """Run ``model`` once, and set gain and bias of each site as its layer is reached.

    Raises:
        Refused: a layer is reached never or twice, or one of its channels is constant over the batch.
    """
    calls: Counter[str] = Counter()

    def hook(site: Site) -> Any:
        def normalize(layer: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
            calls[site.name] += 1
            if calls[site.name] > 1:
                raise Refused(f"DataDependent sets a layer where it is used and {site} is used twice")
            return normalize_(site, output)

        return site.layer.register_forward_hook(normalize)

    modes = [(module, module.training) for module in model.modules()]
    parameter = next(model.parameters())
    handles = [hook(site) for site in sites]
    try:
        model.eval()
        model(inputs.to(parameter))
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    for site in sites:
        if not calls[site.name]:
            raise Refused(f"DataDependent sets a layer where it is used and the network never uses {site}")


def normalize_(site: Site, output: Tensor) -> Tensor:
    """Set g and b of one layer from its output with g = 1 and b = 0, and return the normalized output.

    Args:
        site: the layer.
        output: shape ``(N, C, *spatial)``, or ``(*any, C)`` of a linear layer.
    """
    channel = -1 if isinstance(site.layer, nn.Linear) else 1
    channels = output.double().movedim(channel, 0)
    values = channels.flatten(1)
    mean, std = values.mean(1), values.std(1, correction=0)
    # A channel that is constant but for rounding has no scale; nor has one that overflowed.
    rounding = 8 * torch.finfo(output.dtype).eps * values.abs().amax(1)
    dead = ~(std > rounding) | ~std.isfinite()
    if bool(dead.any()):
        raise Refused(
            f"DataDependent divides by the spread over the batch, and channel {int(dead.nonzero()[0])} "
            f"of {site} has none there: give a larger batch or another seed"
        )
    set_gain_(site.layer, 1 / std)
    site.layer.bias.copy_(-mean / std)
    shape = (-1, *[1] * (channels.dim() - 1))
    normalized = (channels - mean.view(shape)) / std.view(shape)
    return normalized.movedim(0, channel).to(output.dtype)
