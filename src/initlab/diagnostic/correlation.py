"""How alike the network makes different inputs, block by block: RISOTTO, Sec. 2.2 and Fig. 2b."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Generator, Tensor, nn

from initlab.diagnostic.base import Batch, Diagnostic
from initlab.diagnostic.checks import Precision, check_choice, checked_batch
from initlab.diagnostic.layers import blocks_of, layers_of
from initlab.diagnostic.log_norms import finite
from initlab.diagnostic.measuring import Statistics, measuring, run
from initlab.diagnostic.watch import watch
from initlab.errors import InitlabError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pairs = Literal["all", "adjacent"]
Alike = tuple[Tensor, Tensor]  # cosine and Pearson correlation of each pair


@dataclass(frozen=True)
class Likeness:
    """Mean and standard deviation over pairs of inputs at one block; None where a tensor is constant.

    Args:
        block: dotted module path; ``input`` for the inputs themselves.
        cosine: of the pre-activations.
        pearson: of the pre-activations: the cosine after each input's mean over units is taken off.
        cosine_post: of the activations handed on; None where no activation follows.
    """

    block: str
    cosine: float | None
    cosine_std: float | None
    pearson: float | None
    pearson_std: float | None
    cosine_post: float | None = None
    cosine_post_std: float | None = None
    pearson_post: float | None = None
    pearson_post_std: float | None = None


@dataclass(frozen=True)
class CorrelationResult:
    """Correlations of the inputs, then of every block in the order of use."""

    likenesses: tuple[Likeness, ...]

    def metrics(self) -> Mapping[str, float | int | None]:
        """Return ``correlation/cosine/<block>``, ``.../pearson/<block>``, and both with ``_post``."""
        names = ("cosine", "pearson", "cosine_post", "pearson_post")
        return {f"correlation/{name}/{k.block}": getattr(k, name) for name in names for k in self.likenesses}

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Return one row for the inputs and one per block."""
        return [asdict(likeness) for likeness in self.likenesses]

    def figure(self) -> Figure:
        """Draw the mean cosine and Pearson correlation along the network."""
        from initlab.diagnostic import figures

        figure, axes = figures.panels(2)
        for ax, name, title in zip(
            axes, ("cosine", "pearson"), ("cosine", "Pearson correlation"), strict=True
        ):
            pre = [getattr(likeness, name) for likeness in self.likenesses]
            post = [getattr(likeness, f"{name}_post") for likeness in self.likenesses]
            figures.line(ax, pre, "pre-activation", figures.BLUE)
            spreads = [getattr(likeness, f"{name}_std") for likeness in self.likenesses]
            band = [
                (math.nan, 0.0) if m is None or s is None else (m, s)
                for m, s in zip(pre, spreads, strict=True)
            ]
            ax.fill_between(
                range(len(band)),
                [m - s for m, s in band],
                [m + s for m, s in band],
                color=figures.BLUE,
                alpha=0.15,
                linewidth=0,
            )
            if any(value is not None for value in post):
                figures.line(ax, post, "activation", figures.ORANGE, marker="s", linestyle="--")
            ax.axhline(1, color=figures.GREY, linewidth=0.8, linestyle=":")
            values = [value for value in (*pre, *post) if value is not None]
            ax.set_ylim(min([0.0, *values]) - 0.08, 1.08)
            ax.set_title(f"{title} between inputs", fontsize=9)
            figures.legend(ax)
            figures.name_axis(ax, [likeness.block for likeness in self.likenesses], "block")
        return figure


@dataclass(frozen=True)
class Correlation(Diagnostic):
    r"""Mean over pairs of inputs of :math:`\cos(z_l, \tilde z_l)`, on pre-activations and on activations.

    Measured on the inputs, at every block and at every layer outside blocks. An exact statement, such as
    RISOTTO's constant correlation, holds on the pre-activations ``z``; on activations only on average.

    Args:
        pairs: ``all`` pairs of inputs of the batch, or ``adjacent``: (0, 1), (2, 3), ..., which are
            independent.
        statistics: of batch normalization: ``running``, or ``batch``, as in training.
        precision: ``model``, or ``float64``.
    """

    pairs: Pairs = "all"
    statistics: Statistics = "running"
    precision: Precision = "model"

    def __post_init__(self) -> None:
        check_choice("correlation.pairs", self.pairs, ("all", "adjacent"))
        check_choice("correlation.statistics", self.statistics, ("running", "batch"))
        check_choice("correlation.precision", self.precision, ("model", "float64"))

    def __call__(self, model: nn.Module, batch: Batch, generator: Generator) -> CorrelationResult:
        """Measure every block in one forward pass."""
        inputs, _ = checked_batch(model, batch, precision=self.precision)
        count = len(inputs)
        if count < 2:
            raise InitlabError("correlation compares inputs: the batch must hold at least two")
        blocks = blocks_of(model)
        inside = {id(module) for block in blocks.values() for module in block.modules()}
        outside = {name: layer for name, layer in layers_of(model).items() if id(layer) not in inside}

        def measure(tensor: Tensor) -> Alike:
            return alike(tensor.detach().reshape(count, -1), self.pairs)

        with measuring(model, self.statistics), torch.no_grad():
            with watch(outside, blocks, count, measure) as seen:
                run(model, inputs.clone(), self.precision)
            start = _likeness("input", measure(inputs), None)
        return CorrelationResult((start, *(_likeness(r.name, r.pre, r.post) for r in seen)))


def alike(rows: Tensor, pairs: Pairs) -> Alike:
    """Cosine and Pearson correlation of each pair of rows, float64; NaN where a row has none.

    Args:
        rows: ``(N, units)``.
        pairs: ``all``: N (N - 1) / 2 of them; ``adjacent``: N // 2.
    """
    return _cosines(rows.double(), pairs), _cosines(
        rows.double() - rows.double().mean(1, keepdim=True), pairs
    )


def _cosines(rows: Tensor, pairs: Pairs) -> Tensor:
    rows = rows / rows.abs().amax(1, keepdim=True)  # 1e-31 squared would still be a number, 1e-200 not
    rows = rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    if pairs == "adjacent":
        even = len(rows) // 2 * 2
        return (rows[0:even:2] * rows[1:even:2]).sum(1)
    first, second = torch.triu_indices(len(rows), len(rows), offset=1)
    return (rows @ rows.T)[first, second]


def _likeness(name: str, pre: Alike, post: Alike | None) -> Likeness:
    numbers = [number for values in pre for number in _mean_std(values)]
    if post is not None:
        numbers += [number for values in post for number in _mean_std(values)]
    return Likeness(name, *numbers)


def _mean_std(values: Tensor) -> tuple[float | None, float | None]:
    defined = values[torch.isfinite(values)]
    if not len(defined):
        return None, None
    return finite(float(defined.mean())), finite(float(defined.std(correction=0)))
