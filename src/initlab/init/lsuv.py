"""Layer-sequential unit variance: Mishkin & Matas 2016, Algorithm 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from initlab.errors import Refused
from initlab.init import draw
from initlab.init.base import Batch, Init, zero_bias_
from initlab.norm.base import set_weight_
from initlab.site import Site


@dataclass(frozen=True)
class Lsuv(Init):
    r"""Orthogonal weights, each layer then divided by the standard deviation of its output on a batch.

    In the order of the forward pass, the head included: :math:`W \leftarrow W / \sqrt{\mathrm{Var}(W x)}`,
    with the variance over all entries of the layer's output, and x as the layers before it, already scaled,
    give it. Biases are 0.

    Differs from the paper: a layer without bias is linear in W, so one division does exactly what the paper's
    loop does to a tolerance of 0.1, and one forward pass serves all layers. The pass is made in evaluation
    mode: no running statistics change and dropout is off.

    Raises:
        Refused: a layer is not reached, its output does not vary or is not finite, or its norm undoes the
            scale (weight standardization).
    """

    formula: ClassVar[str] = "W = Q / √Var(Q x) on one batch, Q orthogonal, layer after layer; b = 0"
    held_by: ClassVar[str] = "test_every_output_has_unit_variance_on_the_batch"

    needs_batch: ClassVar[bool] = True

    def set_sites_(
        self, sites: Sequence[Site], model: nn.Module, generator: Generator, batch: Batch | None
    ) -> None:
        """Draw every weight, then scale them during one forward pass."""
        assert batch is not None
        inputs = batch if isinstance(batch, Tensor) else batch[0]
        for site in sites:
            set_weight_(site.layer, draw.orthogonal(site.shape, generator))
            zero_bias_(site)
        left = {id(site.layer): site for site in sites}

        def scale(layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
            site = left.pop(id(layer), None)
            return None if site is None else _with_unit_variance(site, args[0], output)

        modes = {module: module.training for module in model.modules()}
        handles = [site.layer.register_forward_hook(scale) for site in sites]
        try:
            model.eval()
            with torch.no_grad():
                model(inputs)
        finally:
            for handle in handles:
                handle.remove()
            for module, mode in modes.items():
                module.training = mode
        for site in left.values():
            raise Refused(f"Lsuv: the forward pass does not reach {site}")


def _with_unit_variance(site: Site, inputs: Tensor, output: Tensor) -> Tensor:
    """Scale a layer in place and return its new output."""
    std = _std(output)
    if not 0 < std < float("inf"):
        raise Refused(f"Lsuv: the output of {site} on the batch has standard deviation {std:g}")
    set_weight_(site.layer, site.layer.weight / std)
    scaled: Tensor = site.layer.forward(inputs)
    if abs(_std(scaled) - 1) > 1e-2:  # rounding in the lowest precisions
        raise Refused(f"Lsuv scales weights and the norm of {site} undoes it: build the model with norm=none")
    return scaled


def _std(output: Tensor) -> float:
    return float(output.double().std(correction=0))
