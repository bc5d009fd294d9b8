"""Norms of weights and of their gradients, layer by layer, under the cross-entropy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from initlab.diagnostic.base import Batch, Diagnostic
from initlab.diagnostic.checks import check_choice, check_labels, checked_batch, logits_of
from initlab.diagnostic.layers import layers_of
from initlab.diagnostic.log_norms import finite, log_norm, norm_of
from initlab.diagnostic.measuring import Statistics, measuring
from initlab.errors import InitlabError
from initlab.norm.base import is_weight_normalized, parametrization

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Norms:
    """The norms of one layer; ``gradient`` is that of the mean loss, ``ratio`` is gradient over weight.

    Args:
        layer: dotted module path.
        weight_norm: Frobenius norm of the effective weight W, the one that the layer applies.
        gradient_norm: of dL/dW.
        ratio: ``||dL/dW|| / ||W||``.
        v_norm: of v where W = g v / ||v||; None elsewhere, and so for ``v_gradient_norm``, ``g_*``.
        bias_norm: None for a layer without bias.
    """

    layer: str
    weight_norm: float | None
    gradient_norm: float | None
    ratio: float | None
    v_norm: float | None
    v_gradient_norm: float | None
    g_norm: float | None
    g_gradient_norm: float | None
    bias_norm: float | None
    bias_gradient_norm: float | None


@dataclass(frozen=True)
class GradientResult:
    """Norms of every layer, in the order in which the network lists them.

    Args:
        layers: one per layer.
        loss: mean cross-entropy of the batch, nats.
        total_norm: of the gradient by all parameters together, what gradient clipping looks at.
    """

    layers: tuple[Norms, ...]
    loss: float | None
    total_norm: float | None

    def metrics(self) -> Mapping[str, float | int | None]:
        """Return ``gradient/norm/<layer>``, ``gradient/weight_norm/<layer>``, ``gradient/ratio/<layer>``."""
        metrics: dict[str, float | int | None] = {
            "gradient/loss": self.loss,
            "gradient/total_norm": self.total_norm,
        }
        for norms in self.layers:
            metrics[f"gradient/norm/{norms.layer}"] = norms.gradient_norm
            metrics[f"gradient/weight_norm/{norms.layer}"] = norms.weight_norm
            metrics[f"gradient/ratio/{norms.layer}"] = norms.ratio
            if norms.v_norm is not None:
                for name in ("v_norm", "v_gradient_norm", "g_norm", "g_gradient_norm"):
                    metrics[f"gradient/{name}/{norms.layer}"] = getattr(norms, name)
        return metrics

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Return one row per layer."""
        return [asdict(norms) for norms in self.layers]

    def figure(self) -> Figure:
        """Draw the norms and their ratio along the network."""
        from initlab.diagnostic import figures

        figure, (left, right) = figures.panels(2)
        names = [norms.layer for norms in self.layers]
        weight, gradient = (
            [getattr(n, key) for n in self.layers] for key in ("weight_norm", "gradient_norm")
        )
        figures.line(left, weight, r"weight  $\|W\|$", figures.BLUE)
        figures.line(left, gradient, r"gradient  $\|\partial L/\partial W\|$", figures.ORANGE)
        if any(norms.v_norm is not None for norms in self.layers):
            v, g = ([getattr(n, key) for n in self.layers] for key in ("v_gradient_norm", "g_gradient_norm"))
            figures.line(left, v, r"by v", figures.GREEN, marker="^", linestyle="--")
            figures.line(left, g, r"by g", figures.GREY, marker="v", linestyle="--")
        figures.log_axis(left, [*weight, *gradient])
        left.set_title("norms", fontsize=9)
        figures.legend(left)
        ratios = [norms.ratio for norms in self.layers]
        figures.line(right, ratios, "ratio", figures.BLUE)
        figures.log_axis(right, ratios)
        right.set_title(r"$\|\partial L/\partial W\|\;/\;\|W\|$", fontsize=9)
        for ax in (left, right):
            figures.name_axis(ax, names)
        return figure


@dataclass(frozen=True)
class Gradient(Diagnostic):
    """Frobenius norms of each weight and of the gradient of the batch's mean cross-entropy by it.

    Under a reparametrization both are those of the effective weight, the tensor that the layer applies;
    under weight normalization those of v and g are given as well. No ``.grad`` is written or read.

    Args:
        statistics: of batch normalization: ``batch``, as in the first training step, or ``running``.
    """

    statistics: Statistics = "batch"

    def __post_init__(self) -> None:
        check_choice("gradient.statistics", self.statistics, ("running", "batch"))

    def __call__(self, model: nn.Module, batch: Batch, generator: Generator) -> GradientResult:
        """Measure every layer in one forward and one backward pass."""
        inputs, labels = checked_batch(model, batch)
        named = layers_of(model)
        refuse_frozen_and_tied(model)
        with measuring(model, self.statistics):
            effective, handles = _remember_effective_weights(named)
            try:
                logits = logits_of(model(inputs.detach().clone()))
            finally:
                for handle in handles:
                    handle.remove()
            check_labels(labels, logits)
            loss = cross_entropy(logits, labels)
            parameters = dict(model.named_parameters())
            asked = [*parameters.values(), *effective.values()]
            found = torch.autograd.grad(loss, asked, allow_unused=True)
        by_tensor = {id(tensor): gradient for tensor, gradient in zip(asked, found, strict=True)}
        logs = [log_norm(gradient) for gradient in found[: len(parameters)] if gradient is not None]
        rows = tuple(_norms(name, layer, effective.get(name), by_tensor) for name, layer in named.items())
        total = float(torch.logsumexp(2 * torch.tensor(logs), 0) / 2)
        return GradientResult(rows, finite(loss.item()), finite(math.exp(total)))


def refuse_frozen_and_tied(model: nn.Module) -> None:
    """Refuse a model in which a layer has no gradient of its own.

    Raises:
        InitlabError: naming the parameter that is frozen, or the two that are one.
    """
    owners: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if not parameter.requires_grad:
            raise InitlabError(f"{name} is frozen, so it has no gradient to measure: set requires_grad")
        if id(parameter) in owners:
            raise InitlabError(f"{owners[id(parameter)]} and {name} are one tied parameter with one gradient")
        owners[id(parameter)] = name


def _remember_effective_weights(named: Mapping[str, nn.Module]) -> tuple[dict[str, Tensor], list[Any]]:
    """Hook reparametrized layers so that the weight that each applies is kept, with its graph."""
    effective: dict[str, Tensor] = {}
    handles = []
    for name, layer in named.items():
        if parametrization(layer) is not None:

            def keep(module: nn.Module, args: Any, output: Tensor, name: str = name) -> None:
                effective[name] = output

            handles.append(parametrization(layer).register_forward_hook(keep))
    return effective, handles


def _norms(
    name: str, layer: nn.Module, effective: Tensor | None, gradients: Mapping[int, Tensor | None]
) -> Norms:
    """Gather the norms of one layer; a weight that the loss does not reach has none of the gradient."""

    def pair(tensor: Tensor | None) -> tuple[float | None, float | None]:
        if tensor is None:
            return None, None
        gradient = gradients.get(id(tensor))
        return finite(norm_of(tensor)), None if gradient is None else finite(norm_of(gradient))

    lists = parametrization(layer)
    weight = layer.weight if lists is None else effective
    assert weight is None or isinstance(weight, Tensor)
    size, slope = pair(weight)
    normalized = is_weight_normalized(layer)
    v, v_slope = pair(lists.original1 if normalized else None)
    g, g_slope = pair(lists.original0 if normalized else None)
    bias, bias_slope = pair(layer.bias if isinstance(layer.bias, Tensor) else None)
    ratio = None if not size or slope is None else slope / size
    return Norms(name, size, slope, ratio, v, v_slope, g, g_slope, bias, bias_slope)
