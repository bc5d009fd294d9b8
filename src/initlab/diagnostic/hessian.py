"""Spectral norm of the Hessian at initialization: Arpit, Campos & Bengio 2019, Table 2."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from initlab.diagnostic.base import Batch, Diagnostic
from initlab.diagnostic.checks import check_choice, check_count, checked_batch, scalar
from initlab.diagnostic.hessian_product import Closure, HessianProduct
from initlab.diagnostic.lanczos import Spectrum, lanczos, power_iteration
from initlab.diagnostic.measuring import measuring
from initlab.errors import ConfigError, Refused
from initlab.norm.base import RowNorm

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Method = Literal["lanczos", "power"]
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class HessianMeasurement:
    """Eigenvalues of largest magnitude of the Hessian.

    Args:
        spectrum: the eigenvalues, their residuals, and how they were approached.
        num_parameters: dimension of the Hessian.
        excluded: names of the parameters that are frozen and take no part.
        graph_bytes: bytes held by the gradient graph that all products share.
    """

    spectrum: Spectrum
    num_parameters: int
    excluded: tuple[str, ...] = ()
    graph_bytes: int = 0

    @property
    def spectral_norm(self) -> float:
        """Largest magnitude of an eigenvalue."""
        return abs(self.spectrum.eigenvalues[0])

    def metrics(self) -> dict[str, float | int | None]:
        """Return the numbers for ``result.json``; the logarithm of 0 is null."""
        norm = self.spectral_norm
        return {
            "hessian/spectral_norm": norm,
            "hessian/log10_spectral_norm": math.log10(norm) if norm > 0 else None,
            "hessian/residual": self.spectrum.residuals[0],
            "hessian/num_products": self.spectrum.num_products,
            "hessian/converged": int(self.spectrum.converged),
            "hessian/num_parameters": self.num_parameters,
            "hessian/num_excluded": len(self.excluded),
            **{f"hessian/eigenvalue_{i}": value for i, value in enumerate(self.spectrum.eigenvalues)},
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per eigenvalue."""
        pairs = zip(self.spectrum.eigenvalues, self.spectrum.residuals, strict=True)
        return [
            {"index": i, "eigenvalue": value, "residual": bound} for i, (value, bound) in enumerate(pairs)
        ]

    def figure(self) -> Figure:
        """Draw the eigenvalues, and the first one's estimate with its residual after each product."""
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

        figure = Figure(figsize=(8, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        values = self.spectrum.eigenvalues
        left.errorbar(range(len(values)), values, yerr=self.spectrum.residuals, fmt="o", capsize=3)
        left.axhline(0, color="0.6", linewidth=0.8)
        left.set(xlabel="rank by magnitude", ylabel="eigenvalue ± residual", title="Hessian of the loss")
        left.xaxis.set_major_locator(MaxNLocator(integer=True))
        steps = range(1, self.spectrum.num_products + 1)
        right.semilogy(steps, [abs(value) for value, _ in self.spectrum.history], "o-", label="|eigenvalue|")
        right.semilogy(steps, [bound for _, bound in self.spectrum.history], "s--", label="residual")
        right.set(xlabel="Hessian-vector products", title="estimate of the largest")
        right.xaxis.set_major_locator(MaxNLocator(integer=True))
        right.legend()
        return figure


@dataclass(frozen=True)
class Hessian(Diagnostic):
    r"""Spectral norm :math:`\max_i |\lambda_i|` of the Hessian of the mean loss.

    The variables are all trainable parameters, the gains, directions and biases of weight-normalized layers
    among them; one used in several places counts once, and frozen ones are left out and named in the result.
    The loss is that of a fixed batch of any size, worked through ``chunk_size`` samples at a time.

    Differs from the paper: one fixed set of samples instead of a new random tenth at each iteration (whose
    mean its code divides by one batch too few), vectors scaled by their Euclidean norm instead of their
    largest element, torch's weight norm replaced because its second derivatives are wrong, and the result
    comes with a residual. See ``docs/errata.md``.

    Args:
        method: ``lanczos`` or ``power`` (iteration); both give the signed eigenvalue.
        num_eigenvalues: how many of largest magnitude; power iteration gives one.
        tolerance: stop when the residual is this small relative to the eigenvalue.
        max_products: give up after so many Hessian-vector products; the result then has ``converged`` 0.
        loss: ``cross_entropy``, or a function of (outputs, labels) that returns the mean over the samples.
        num_samples: use the first so many of the batch; None for all.
        chunk_size: samples per forward pass. Batch norm in training mode takes its statistics over a chunk.
        mode: ``train`` as in the paper (batch statistics), or ``eval`` (running statistics).
        graph_memory_gib: memory that the gradient graph, built once, may hold; chunks beyond are rebuilt.
        weight_norm: ``exact``, or ``torch`` for the second derivatives of torch's own weight norm, which are
            wrong and which the paper's code used. Their matrix is not symmetric: use ``method=power``.
    """

    method: Method = "lanczos"
    num_eigenvalues: int = 1
    tolerance: float = 1e-3
    max_products: int = 100
    loss: Literal["cross_entropy"] | Loss = "cross_entropy"
    num_samples: int | None = None
    chunk_size: int = 128
    mode: Literal["train", "eval"] = "train"
    graph_memory_gib: float = 4.0
    weight_norm: Literal["exact", "torch"] = "exact"

    def __post_init__(self) -> None:
        check_method(self.method, self.num_eigenvalues, self.tolerance, self.max_products, "hessian.")
        check_choice("hessian.mode", self.mode, ("train", "eval"))
        check_count("hessian.chunk_size", self.chunk_size)
        check_count("hessian.num_samples", self.num_samples, null="for all")
        if not callable(self.loss) and self.loss != "cross_entropy":
            raise ConfigError(f"hessian.loss={self.loss}: must be cross_entropy or a function")
        check_choice("hessian.weight_norm", self.weight_norm, ("exact", "torch"))
        if self.weight_norm == "torch" and self.method != "power":
            raise ConfigError(
                f"hessian.method={self.method}: the second derivatives of hessian.weight_norm=torch form no "
                "symmetric matrix; use power"
            )
        if not self.graph_memory_gib >= 0:
            raise ConfigError(f"hessian.graph_memory_gib={self.graph_memory_gib}: must not be negative")

    def __call__(self, model: nn.Module, batch: Batch, generator: Generator) -> HessianMeasurement:
        """Measure the Hessian of ``model`` at its present parameters.

        Raises:
            Refused: the batch holds NaN or inf, the loss is not scalar, or nothing is trainable.
        """
        inputs, labels = checked_batch(model, batch, self.num_samples, tokens=True)
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if not trainable:
            raise Refused(f"{type(model).__name__} has no trainable parameter to take a Hessian by")
        excluded = tuple(name for name, p in model.named_parameters() if not p.requires_grad)
        seed = int(torch.randint(2**31, (), generator=generator))
        closures = [
            partial(self._term, model, part, targets, len(part) / len(inputs), seed + index)
            for index, (part, targets) in enumerate(
                zip(inputs.split(self.chunk_size), labels.split(self.chunk_size), strict=True)
            )
        ]
        with ExitStack() as stack:
            stack.enter_context(measuring(model, training=self.mode == "train"))
            if self.weight_norm == "torch":
                stack.enter_context(torchs_weight_norm(model))
            product = HessianProduct(closures, trainable, self.graph_memory_gib * 2**30)
            spectrum = _spectrum(
                product, generator, self.method, self.num_eigenvalues, self.tolerance, self.max_products
            )
        return HessianMeasurement(spectrum, product.dimension, excluded, product.graph_bytes)

    def _term(self, model: nn.Module, inputs: Tensor, labels: Tensor, share: float, seed: int) -> Tensor:
        """Return the chunk's share of the mean loss; dropout draws the same masks each time."""
        with torch.random.fork_rng(devices=[inputs.device] if inputs.is_cuda else []):
            torch.manual_seed(seed)
            outputs = model(inputs)
        loss = self.loss(outputs, labels) if callable(self.loss) else F.cross_entropy(outputs, labels)
        return share * scalar(loss)


@contextmanager
def torchs_weight_norm(model: nn.Module) -> Iterator[None]:
    """Let weight-normalized layers compute their weights through torch's fused kernel.

    Weights and first derivatives stay as they are; second derivatives are wrong (``docs/errata.md``).
    """
    found = [module for module in model.modules() if isinstance(module, RowNorm)]
    for module in found:
        module.forward = lambda g, v: torch._weight_norm(v, g, 0)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in found:
            del module.forward


def hessian_spectrum(
    loss: Closure | Sequence[Closure],
    params: Iterable[Tensor],
    generator: Generator,
    method: Method = "lanczos",
    num_eigenvalues: int = 1,
    tolerance: float = 1e-3,
    max_products: int = 100,
    graph_memory: float = 4 * 2**30,
) -> HessianMeasurement:
    """Find the eigenvalues of largest magnitude of the Hessian of any scalar loss.

    >>> x = torch.tensor([1.0, 1.0], requires_grad=True)
    >>> result = hessian_spectrum(lambda: (x**2 @ torch.tensor([0.5, -1.5])), [x], torch.Generator())
    >>> round(result.spectral_norm, 6)
    3.0

    Args:
        loss: a function without arguments that computes the loss from ``params``, or a sequence of such
            functions whose values add up to it.
        params: the variables, each requiring a gradient.
        generator: a CPU generator; draws the first vector.
        method: ``lanczos`` or ``power``.
        num_eigenvalues: how many of largest magnitude; power iteration gives one.
        tolerance: relative.
        max_products: give up after so many products.
        graph_memory: bytes that the kept gradient graphs may hold.

    Raises:
        ConfigError: an option is out of range.
        Refused: the loss is not scalar, a parameter requires no gradient, or a product is not finite.
    """
    check_method(method, num_eigenvalues, tolerance, max_products)
    product = HessianProduct([loss] if callable(loss) else loss, params, graph_memory)
    spectrum = _spectrum(product, generator, method, num_eigenvalues, tolerance, max_products)
    return HessianMeasurement(spectrum, product.dimension, (), product.graph_bytes)


def check_method(
    method: str, num_eigenvalues: int, tolerance: float, max_products: int, prefix: str = ""
) -> None:
    """Refuse options that no method has."""
    check_choice(f"{prefix}method", method, ("lanczos", "power"))
    check_count(f"{prefix}num_eigenvalues", num_eigenvalues)
    check_count(f"{prefix}max_products", max_products)
    if method == "power" and num_eigenvalues > 1:
        raise ConfigError(f"{prefix}num_eigenvalues={num_eigenvalues}: power iteration gives 1; use lanczos")
    if not 0 < tolerance < 1:
        raise ConfigError(f"{prefix}tolerance={tolerance}: must lie between 0 and 1")


def _spectrum(
    product: HessianProduct,
    generator: Generator,
    method: Method,
    num_eigenvalues: int,
    tolerance: float,
    max_products: int,
) -> Spectrum:
    start = torch.randn(product.dimension, generator=generator, dtype=torch.float64).to(product.parameters[0])
    if method == "power":
        return power_iteration(product, start, tolerance, max_products)
    return lanczos(product, start, generator, num_eigenvalues, tolerance, max_products)
