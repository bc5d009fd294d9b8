"""What every layer saw and gave in one forward pass, as variables that a loss can be differentiated by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from initlab.errors import Refused
from initlab.norm.base import parametrization
from initlab.site import Site


@dataclass
class Passage:
    """One pass through a layer: ``inputs`` without graph, ``outputs`` as a variable of the loss."""

    site: Site
    inputs: Tensor
    outputs: Tensor
    version: int = field(default=0)


def forward_passages(
    model: nn.Module, sites: Sequence[Site], inputs: Tensor
) -> tuple[Tensor, dict[str, Passage]]:
    """Run the model and return its outputs with the passage through each site that was used, by name.

    Parameters count as constants, so the graph runs through the activations alone and starts at the first
    layer. The layers after a site get a copy of its output, which they may overwrite.

    Raises:
        Refused: a layer is used twice, or its input is overwritten later in the pass.
    """
    passages: dict[str, Passage] = {}

    def record(site: Site, given: Tensor, outputs: Tensor) -> Tensor:
        if site.name in passages:
            raise Refused(f"{site} is used twice in one forward pass: the GR scaling has one use in mind")
        if not outputs.requires_grad:
            outputs.requires_grad_()
        passages[site.name] = Passage(site, given.detach(), outputs, given._version)
        return outputs.clone()

    with constant_parameters(model):
        handles = [
            site.layer.register_forward_hook(
                lambda _, args, outputs, site=site: record(site, args[0], outputs)
            )
            for site in sites
        ]
        try:
            with torch.enable_grad():
                outputs = model(inputs)
        finally:
            for handle in handles:
                handle.remove()
    for passage in passages.values():
        if passage.inputs._version != passage.version:
            raise Refused(
                f"the input of {passage.site} is overwritten after use: build the model without inplace"
            )
    return outputs, passages


@contextmanager
def constant_parameters(model: nn.Module) -> Iterator[None]:
    """Let no parameter require a gradient, for as long as the block lasts."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_()


def apply_weight(site: Site, inputs: Tensor, weight: Tensor) -> Tensor:
    """Apply a layer to ``inputs`` with another weight, of shape ``site.shape``, and without bias."""
    if isinstance(site.layer, nn.Linear):
        return F.linear(inputs, weight)
    outputs: Tensor = site.layer._conv_forward(inputs, weight, None)  # knows the padding mode
    return outputs


def weight_gradient_moment(site: Site, inputs: Tensor, cotangents: Tensor) -> float:
    r"""Sum the squares of per-sample weight gradients :math:`J_n^T u_n`, over samples and elements.

    Args:
        site: the layer.
        inputs: of the layer, ``(N, ...)``.
        cotangents: u, of the layer's output, ``(N, ...)``.
    """
    if isinstance(site.layer, nn.Linear):
        x = inputs.reshape(-1, positions(site, inputs, cotangents, len(inputs)), site.in_channels)
        u = cotangents.reshape(*x.shape[:2], site.out_channels)
        # ||sum_t u_t x_t^T||^2 is the inner product of the two Gram matrices over the positions t.
        return float(((x @ x.mT) * (u @ u.mT)).sum(dtype=torch.float64))
    total = 0.0
    weight = torch.zeros(site.shape, dtype=inputs.dtype, device=inputs.device, requires_grad=True)
    for x, u in zip(inputs.split(1), cotangents.split(1), strict=True):
        with torch.enable_grad():
            outputs = apply_weight(site, x, weight)
        (gradient,) = torch.autograd.grad(outputs, weight, u)
        total += float(gradient.square().sum(dtype=torch.float64))
    return total


def positions(site: Site, inputs: Tensor, outputs: Tensor, num_samples: int) -> int:
    r"""Number of outputs of a layer per sample and channel: :math:`\rho^2` pixels, or tokens.

    Raises:
        Refused: a convolution's first dimension is not the batch.
    """
    if not isinstance(site.layer, nn.Linear) and len(inputs) != num_samples:
        raise Refused(f"{site} sees {len(inputs)} maps for {num_samples} samples: it must see one for each")
    return outputs.numel() // (num_samples * site.out_channels)


def weight_parameters(site: Site) -> list[nn.Parameter]:
    """List the parameters behind the layer's weight."""
    source: nn.Module | None = parametrization(site.layer)
    return [site.layer.weight] if source is None else list(source.parameters())
