"""Singular values of the input-output Jacobian and of every block's: RISOTTO, Def. 2.4 and Thm 2.11."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Generator, Tensor, nn

from initlab.diagnostic.base import Batch, Diagnostic
from initlab.diagnostic.checks import (
    Precision,
    check_choice,
    check_count,
    checked_batch,
    logits_of,
    refuse_coupled_samples,
)
from initlab.diagnostic.features import Features
from initlab.diagnostic.layers import blocks_of, layers_of
from initlab.diagnostic.measuring import measuring, run
from initlab.diagnostic.spectrum import Derivative, Spectrum, spectrum
from initlab.errors import ConfigError, InitlabError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Outputs = Literal["features", "logits", "both"]
COLUMNS = ("sigma_min", "sigma_max", "num_zero", "sigma_min_bound", "residual_max", "residual_min")


@dataclass(frozen=True)
class BlockSpectra:
    """Singular values of one block's Jacobian; both None for a block that maps no tensor to a tensor.

    Args:
        block: dotted module path.
        raw: from the block's input to its output.
        active: the same Jacobian restricted to inputs and outputs that are not zero at this input: a ReLU
            before and after the block has cut off the others.
    """

    block: str
    raw: Spectrum | None
    active: Spectrum | None


@dataclass(frozen=True)
class JacobianResult:
    """Spectra at one input.

    Args:
        features: from the image to the last feature map before pooling; None if not asked for.
        logits: from the image to the logits; None if not asked for.
        blocks: one per block, in the order of use.
    """

    features: Spectrum | None
    logits: Spectrum | None
    blocks: tuple[BlockSpectra, ...]

    def _scopes(self) -> Iterator[tuple[str, str, str, Spectrum | None]]:
        """Yield metric prefix, scope, units and spectrum."""
        if self.features is not None:
            yield "jacobian", "features", "all", self.features
        if self.logits is not None:
            yield "jacobian/logits", "logits", "all", self.logits
        for block in self.blocks:
            yield f"jacobian/block/{block.block}", block.block, "all", block.raw
            yield f"jacobian/block/{block.block}/active", block.block, "active", block.active

    def metrics(self) -> Mapping[str, float | int | None]:
        """Return ``jacobian/sigma_min`` and so on, ``jacobian/logits/*`` and ``jacobian/block/<block>/*``.

        ``num_zero`` and ``root_mean_square`` are None where the spectrum is not exact, ``sigma_min`` where
        Lanczos has not found it; ``exact`` is 1 or 0.
        """
        metrics: dict[str, float | int | None] = {}
        for prefix, _, _, found in self._scopes():
            for name in (*COLUMNS, "root_mean_square"):
                metrics[f"{prefix}/{name}"] = None if found is None else getattr(found, name)
            metrics[f"{prefix}/exact"] = None if found is None else int(found.exact)
        return metrics

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Return one row per map: features, logits, and each block with all and with its active units."""
        names = ("inputs", "outputs", "exact", *COLUMNS, "root_mean_square")
        return [
            {"scope": scope, "units": units}
            | {name: None if found is None else getattr(found, name) for name in names}
            for _, scope, units, found in self._scopes()
        ]

    def figure(self) -> Figure:
        """Draw the spectra from the image, and the extreme values of every block."""
        from initlab.diagnostic import figures

        figure, axes = figures.panels(2 if self.blocks else 1)
        whole = [("features", self.features, figures.BLUE), ("logits", self.logits, figures.ORANGE)]
        for name, found, color in whole:
            if found is not None and found.values:
                _draw_values(axes[0], name, found, color)
        axes[0].set(xlabel="share of the singular values above", ylabel=r"singular value $\sigma$")
        axes[0].set_ylim(bottom=0)
        axes[0].set_title("Jacobian from the image", fontsize=9)
        figures.legend(axes[0])
        if self.blocks:
            ax = axes[1]
            for units, color, style in (("raw", figures.GREY, "--"), ("active", figures.BLUE, "-")):
                spectra: list[Spectrum | None] = [getattr(block, units) for block in self.blocks]
                high = [None if s is None else s.sigma_max for s in spectra]
                low = [None if s is None else s.sigma_min_bound for s in spectra]
                label = "all units" if units == "raw" else "active units"
                figures.line(ax, high, rf"$\sigma_\max$, {label}", color, linestyle=style, marker="^")
                figures.line(ax, low, rf"$\sigma_\min$, {label}", color, linestyle=style, marker="v")
            ax.axhline(1, color=figures.GREY, linewidth=0.8, linestyle=":")
            ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))
            ax.set_title("Jacobian of each block", fontsize=9)
            figures.legend(ax)
            figures.name_axis(ax, [block.block for block in self.blocks], "block")
        return figure


def _draw_values(ax: Axes, name: str, found: Spectrum, color: str) -> None:
    """Draw a whole spectrum as a curve over ranks, what Lanczos found as marks."""
    values = found.values
    if found.exact:
        share = [(rank + 0.5) / len(values) for rank in range(len(values))]
        label = f"{name}: {len(values)} values, {found.num_zero} zero"
        ax.step(share, values, where="mid", color=color, linewidth=1.4, label=label, marker=".", markersize=3)
    else:
        label = f"{name}: {len(values)} values of the Krylov space"
        ax.plot([0.0] * len(values), values, "_", color=color, markersize=14, label=label)
    ax.set_xlim(-0.03, 1.03)


@dataclass(frozen=True)
class Jacobian(Diagnostic):
    """Singular values of the Jacobian from one image to the features before pooling, and to the logits.

    The network is in evaluation mode, where the Jacobian of one input is defined. Exact spectra are computed
    for as many values as ``exact_limit``, from whichever of rows and columns are fewer; larger ones by
    Golub-Kahan-Lanczos: ``sigma_max`` with a residual, ``sigma_min`` only where it has converged.

    The raw Jacobian of an isometric block has half of its values at sqrt(2) and half at 0; the statement of
    Theorem 2.11 holds from the image and on active units, so blocks are measured both ways.

    Args:
        outputs: ``features``, ``logits`` or ``both``.
        blocks: most blocks to measure, evenly spaced; 0 for none.
        method: ``auto``, ``exact`` or ``lanczos``.
        exact_limit: most singular values that ``auto`` computes exactly.
        lanczos_steps: of one product with J and one with its transpose each.
        zero_tolerance: a value below this times the largest counts as zero; None for 100 machine epsilons.
        input_index: which input of the batch.
        precision: ``model``, or ``float64``.
        chunk: rows or columns of J computed in one pass; memory grows with it.
    """

    outputs: Outputs = "both"
    blocks: int = 16
    method: Literal["auto", "exact", "lanczos"] = "auto"
    exact_limit: int = 1024
    lanczos_steps: int = 16
    zero_tolerance: float | None = None
    input_index: int = 0
    precision: Precision = "model"
    chunk: int = 64

    def __post_init__(self) -> None:
        check_choice("jacobian.outputs", self.outputs, ("features", "logits", "both"))
        check_choice("jacobian.method", self.method, ("auto", "exact", "lanczos"))
        check_choice("jacobian.precision", self.precision, ("model", "float64"))
        check_count("jacobian.blocks", self.blocks, least=0)
        check_count("jacobian.exact_limit", self.exact_limit, least=0)
        check_count("jacobian.lanczos_steps", self.lanczos_steps)
        check_count("jacobian.input_index", self.input_index, least=0)
        check_count("jacobian.chunk", self.chunk)
        if self.zero_tolerance is not None and not 0 <= self.zero_tolerance < 1:
            raise ConfigError(f"jacobian.zero_tolerance={self.zero_tolerance}: must be in [0, 1)")

    def __call__(self, model: nn.Module, batch: Batch, generator: Generator) -> JacobianResult:
        """Compute the spectra at one input of the batch."""
        inputs, _ = checked_batch(model, batch, precision=self.precision)
        layers_of(model)
        refuse_coupled_samples(model)
        if self.input_index >= len(inputs):
            raise InitlabError(
                f"jacobian.input_index={self.input_index}: the batch holds {len(inputs)} inputs"
            )
        point = inputs[self.input_index : self.input_index + 1].detach().clone()
        with measuring(model):
            features = logits = None
            if self.outputs != "logits":
                features = self._spectrum(self._derivative(Features(model), point), generator)
            if self.outputs != "features":
                logits = self._spectrum(self._derivative(model, point), generator)
            blocks = tuple(self._block(passage, generator) for passage in self._passages(model, point))
        return JacobianResult(features, logits, blocks)

    def _derivative(
        self, module: nn.Module, point: Tensor, into: Tensor | None = None, out_of: Tensor | None = None
    ) -> Derivative:
        def function(inputs: Tensor) -> Tensor:
            return logits_of(run(module, inputs, self.precision))

        return Derivative(function, point, into, out_of)

    def _spectrum(self, derivative: Derivative, generator: Generator) -> Spectrum:
        return spectrum(
            derivative,
            self.method,
            generator,
            self.exact_limit,
            self.lanczos_steps,
            self.zero_tolerance,
            self.chunk,
        )

    def _passages(self, model: nn.Module, point: Tensor) -> list[_Passage]:
        """Note what enters and what leaves the chosen blocks at this input."""
        named = list(blocks_of(model).items())
        count = min(self.blocks, len(named))
        chosen = [named[round(index * (len(named) - 1) / max(count - 1, 1))] for index in range(count)]
        passages = [_Passage(name, block) for name, block in chosen]
        with ExitStack() as stack:
            for passage in passages:
                stack.callback(
                    passage.block.register_forward_pre_hook(passage.enter, with_kwargs=True).remove
                )
                stack.callback(passage.block.register_forward_hook(passage.leave).remove)
            with torch.no_grad():
                run(model, point.clone(), self.precision)
        return passages

    def _block(self, passage: _Passage, generator: Generator) -> BlockSpectra:
        """Measure one block alone, at what enters it."""
        entered, left = passage.entered, passage.left
        if entered is None or left is None or len(entered) != 1 or len(left) != 1:
            return BlockSpectra(passage.name, None, None)
        raw = self._spectrum(self._derivative(passage.block, entered), generator)
        into, out_of = entered != 0, left != 0
        if bool(into.all()) and bool(out_of.all()):
            return BlockSpectra(passage.name, raw, raw)
        active = self._derivative(passage.block, entered, into, out_of)
        return BlockSpectra(passage.name, raw, self._spectrum(active, generator))


class _Passage:
    """What one block is given and returns in its first call, where that is one tensor each."""

    def __init__(self, name: str, block: nn.Module) -> None:
        self.name, self.block = name, block
        self.calls = 0
        self.entered: Tensor | None = None
        self.left: Tensor | None = None

    def enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """Keep a copy, which the block cannot overwrite."""
        self.calls += 1
        if self.calls == 1 and len(args) == 1 and not kwargs and isinstance(args[0], Tensor):
            self.entered = args[0].detach().clone()

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        """Keep a copy, which a later layer cannot overwrite."""
        if self.calls == 1 and isinstance(output, Tensor):
            self.left = output.detach().clone()
