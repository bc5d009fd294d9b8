"""Norms of activations and gradients along the network: Arpit et al. 2019, Fig. 1, Thm 1 and 2."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Generator, Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn.functional import cross_entropy

from initlab.diagnostic.base import Batch, Diagnostic
from initlab.diagnostic.checks import Precision, check_choice, check_labels, checked_batch, logits_of
from initlab.diagnostic.layers import blocks_of, head_of, layers_of
from initlab.diagnostic.log_norms import finite, log_norms
from initlab.diagnostic.measuring import Statistics, measuring, run
from initlab.diagnostic.watch import Kind, Reading, watch
from initlab.errors import InitlabError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Statistic = tuple[float | None, float | None, float | None]  # mean, std, log10 of the mean


@dataclass(frozen=True)
class Passage:
    """The norms at one layer or block; ratios are means over inputs, ``std`` their standard deviation.

    Args:
        layer: dotted module path.
        kind: ``layer`` or ``block``.
        forward_ratio: of the activation handed on, ``||h_l|| / ||x||``.
        log10_forward_ratio: log10 of that mean; finite where the mean itself would underflow.
        forward_ratio_pre: of the pre-activation, ``||a_l|| / ||x||``.
        backward_ratio: of the gradient by the pre-activation, ``||dL/da_l|| / ||dL/da_L||``.
        backward_ratio_post: of the gradient by the activation handed on.
        second_moment: mean over inputs and units of ``h_l^2``.
    """

    layer: str
    kind: Kind
    forward_ratio: float | None
    forward_std: float | None
    log10_forward_ratio: float | None
    forward_ratio_pre: float | None
    log10_forward_ratio_pre: float | None
    backward_ratio: float | None
    backward_std: float | None
    log10_backward_ratio: float | None
    backward_ratio_post: float | None
    log10_backward_ratio_post: float | None
    second_moment: float | None


@dataclass(frozen=True)
class SignalResult:
    """Norm ratios of every layer and block, in the order of use.

    Args:
        passages: one per layer and block.
        reference: name of the layer L whose gradient the backward ratios are relative to.
        second_moments: whether ``metrics`` has them.
    """

    passages: tuple[Passage, ...]
    reference: str
    second_moments: bool = False

    def metrics(self) -> Mapping[str, float | int | None]:
        """Return ``signal/forward_ratio/<layer>`` and ``signal/backward_ratio/<layer>``, also as log10."""
        names = ["forward_ratio", "backward_ratio", "log10_forward_ratio", "log10_backward_ratio"]
        names += ["second_moment"] if self.second_moments else []
        return {f"signal/{name}/{p.layer}": getattr(p, name) for name in names for p in self.passages}

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Return one row per layer and block."""
        return [asdict(passage) for passage in self.passages]

    def figure(self) -> Figure:
        """Draw both ratios along the network, with a band of one standard deviation over inputs."""
        from initlab.diagnostic import figures

        figure, axes = figures.panels(2)
        titles = {
            "forward": r"activations   $\|h_\ell\|\;/\;\|x\|$",
            "backward": r"gradients   $\|\partial L/\partial a_\ell\|\;/\;\|\partial L/\partial a_L\|$",
        }
        for ax, (way, title), color in zip(axes, titles.items(), (figures.BLUE, figures.ORANGE), strict=True):
            logs = [getattr(passage, f"log10_{way}_ratio") for passage in self.passages]
            means = [None if log is None else 10**log for log in logs]
            spreads = [getattr(passage, f"{way}_std") for passage in self.passages]
            figures.line(ax, means, "mean over inputs", color)
            band = [
                (m, s) if m and s is not None else (math.nan, 0.0)
                for m, s in zip(means, spreads, strict=True)
            ]
            low, high = [max(m - s, m / 100) for m, s in band], [m + s for m, s in band]
            ax.fill_between(range(len(band)), low, high, color=color, alpha=0.18, linewidth=0)
            blocks = [i for i, passage in enumerate(self.passages) if passage.kind == "block"]
            if blocks and len(blocks) < len(self.passages):
                heights = [band[i][0] for i in blocks]
                ax.plot(blocks, heights, "s", color=color, markersize=5, label="block output")
                figures.legend(ax)
            figures.log_axis(ax, means)
            ax.axhline(1, color=figures.GREY, linewidth=0.8, linestyle=":")
            ax.set_title(title, fontsize=9)
            figures.name_axis(ax, [passage.layer for passage in self.passages])
        return figure


@dataclass(frozen=True)
class Signal(Diagnostic):
    r"""Forward ratios :math:`\|h_l\|/\|x\|` and backward ratios :math:`\|dL/da_l\|/\|dL/da_L\|`, per input.

    Layers are those of the sites, blocks their units. ``h_l`` is taken after the activation that directly
    follows a layer, ``a_l`` before it: Theorem 1 keeps :math:`E\|h_l\|^2 = \|x\|^2`, and the gradients of
    Fig. 1 are by pre-activations. Norms are computed per input with the largest entry divided out and
    averaged in log space, so that 1e-31 is 1e-31.

    Differs from the paper: the official notebook masks the gradient of residual blocks by hand with the
    block's input instead of the hidden ReLU; here autograd computes it.

    Args:
        error: what flows back: ``loss``, the gradient of the cross-entropy, or ``random``, a vector of
            independent N(0, 1) entries, as in Fig. 1.
        output: where it starts and what L is: ``logits``, or ``features``, the last layer or block before
            the head, at its pre-activation, as in Fig. 1.
        second_moments: whether the metrics have ``signal/second_moment/<layer>``; the rows always do.
        statistics: of batch normalization: ``running``, or ``batch``, as in training (then inputs interact,
            and the gradient of an input counts what it does to the others).
        precision: ``model``, or ``float64`` for networks whose signal leaves the range of float32.
    """

    error: Literal["loss", "random"] = "loss"
    output: Literal["logits", "features"] = "logits"
    second_moments: bool = False
    statistics: Statistics = "running"
    precision: Precision = "model"

    def __post_init__(self) -> None:
        check_choice("signal.error", self.error, ("loss", "random"))
        check_choice("signal.output", self.output, ("logits", "features"))
        check_choice("signal.statistics", self.statistics, ("running", "batch"))
        check_choice("signal.precision", self.precision, ("model", "float64"))

    def __call__(self, model: nn.Module, batch: Batch, generator: Generator) -> SignalResult:
        """Measure both ratios of every layer and block in one forward and one backward pass."""
        inputs, labels = checked_batch(model, batch, precision=self.precision)
        named = layers_of(model)
        with measuring(model, self.statistics):
            leaf = inputs.detach().clone().requires_grad_()
            with watch(named, blocks_of(model), len(inputs), lambda t: _Trace(t, len(inputs))) as seen:
                logits = logits_of(run(model, leaf.clone(), self.precision))
            if not seen:
                raise InitlabError(f"{type(model).__name__} calls none of its layers in a forward pass")
            reference, edge = "logits", get_gradient_edge(logits) if logits.requires_grad else None
            shape, dtype = logits.shape, logits.dtype
            if self.output == "features":
                last = _last_before_head(seen, head_of(model))
                reference, edge, shape, dtype = last.name, last.pre.edge, last.pre.shape, last.pre.dtype
            if edge is None:
                raise InitlabError(f"{reference} does not depend on the inputs: no gradient flows back")
            if self.error == "random":
                error = torch.randn(shape, generator=generator, dtype=torch.float64).to(logits.device, dtype)
            else:
                check_labels(labels, logits)
                loss = cross_entropy(logits, labels, reduction="sum")
                (error,) = torch.autograd.grad(loss, [edge], retain_graph=True)
            for reading in seen:  # what came before, with output=features, is not this backward pass
                reading.output.gradient = reading.pre.gradient = None
            torch.autograd.grad([edge], [leaf], [error])
        start, size = log_norms(inputs, len(inputs)), log_norms(error, len(inputs))
        return SignalResult(
            tuple(_passage(reading, start, size) for reading in seen), reference, self.second_moments
        )


class _Trace:
    """The log norms of one tensor, per input, and of the gradient by it once that has flowed back."""

    def __init__(self, tensor: Tensor, num_inputs: int) -> None:
        self.num_inputs = num_inputs
        self.shape, self.dtype = tensor.shape, tensor.dtype
        self.units = tensor.numel() // num_inputs
        self.norms = log_norms(tensor, num_inputs)
        self.gradient: Tensor | None = None
        self.edge: GradientEdge | None = None
        if tensor.requires_grad:
            self.edge = get_gradient_edge(tensor)  # of the tensor as it is now, before an activation in place
            tensor.register_hook(self.record)

    def record(self, gradient: Tensor) -> None:
        """Keep the norms of the gradient, not the gradient."""
        self.gradient = log_norms(gradient, self.num_inputs)


def _last_before_head(seen: Sequence[Reading[_Trace]], head: nn.Module | None) -> Reading[_Trace]:
    """Return the last layer or block before the head, which is the last layer where no site says."""
    head = head or next(r.module for r in reversed(seen) if r.kind == "layer")
    before = [reading for reading in seen if reading.module is not head]
    if not before:
        raise InitlabError("signal.output=features: the model has no layer before its head")
    return before[-1]


def _passage(reading: Reading[_Trace], start: Tensor, size: Tensor) -> Passage:
    """Turn the log norms of one layer into the statistics of its ratios."""
    output, pre = reading.output, reading.pre
    forward, std, log10 = _statistic(output.norms - start)
    forward_pre, _, log10_pre = _statistic(pre.norms - start)
    backward, backward_std, log10_backward = _relative(pre.gradient, size)
    backward_post, _, log10_backward_post = _relative(output.gradient, size)
    moment = math.exp(float(torch.logsumexp(2 * output.norms, 0)) - math.log(len(start) * output.units))
    return Passage(
        layer=reading.name,
        kind=reading.kind,
        forward_ratio=forward,
        forward_std=std,
        log10_forward_ratio=log10,
        forward_ratio_pre=forward_pre,
        log10_forward_ratio_pre=log10_pre,
        backward_ratio=backward,
        backward_std=backward_std,
        log10_backward_ratio=log10_backward,
        backward_ratio_post=backward_post,
        log10_backward_ratio_post=log10_backward_post,
        second_moment=finite(moment),
    )


def _relative(gradient: Tensor | None, size: Tensor) -> Statistic:
    return (None, None, None) if gradient is None else _statistic(gradient - size)


def _statistic(logs: Tensor) -> Statistic:
    """Mean, standard deviation and log10 of the mean of ``exp(logs)`` over inputs; None where not finite."""
    ratios = logs.exp()
    log10 = (float(torch.logsumexp(logs, 0)) - math.log(len(logs))) / math.log(10)
    return finite(float(ratios.mean())), finite(float(ratios.std(correction=0))), finite(log10)
