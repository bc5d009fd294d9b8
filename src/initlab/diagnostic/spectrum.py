"""Singular values of the derivative of any map at one point: all of them, or the extreme ones by Lanczos."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

Map = Callable[[Tensor], Tensor]
EXACT_ENTRIES = 2**25  # of a Jacobian in memory: 256 MiB in float64


@dataclass(frozen=True)
class Spectrum:
    """Singular values of an ``(outputs, inputs)`` Jacobian.

    Args:
        inputs: number of input units.
        outputs: number of output units.
        values: descending: all min(inputs, outputs) if ``exact``, else those of the Krylov space.
        exact: whether ``values`` are all there are.
        sigma_max: the largest; a lower bound where not exact.
        sigma_min: the smallest of min(inputs, outputs); None where Lanczos has not found it.
        sigma_min_bound: the smallest value found, an upper bound of the smallest.
        num_zero: how many of min(inputs, outputs) are zero; None where not exact.
        residual_max: some singular value lies this close to ``sigma_max``; 0 where exact.
        residual_min: the same of ``sigma_min_bound``.
    """

    inputs: int
    outputs: int
    values: tuple[float, ...]
    exact: bool
    sigma_max: float | None
    sigma_min: float | None
    sigma_min_bound: float | None
    num_zero: int | None
    residual_max: float
    residual_min: float

    @property
    def root_mean_square(self) -> float | None:
        """Root mean square of all min(inputs, outputs) singular values; None where not exact."""
        if not self.exact or not self.values:
            return None
        return (sum(value**2 for value in self.values) / len(self.values)) ** 0.5


class Derivative:
    r"""The derivative J of a map at one input, as a linear operator between chosen units.

    The map must treat inputs one by one, as networks in evaluation mode do: a batch of copies of the
    point then gives many rows or columns of J in one pass. :math:`J^T u` is one backward pass through the
    graph of the map, and :math:`J v` one through the graph of that, as the derivative of
    :math:`u \mapsto \langle J^T u, v \rangle`: both graphs are recorded once and used again.

    Args:
        function: from ``(N, ...)`` to ``(N, ...)``.
        point: one input, ``(1, ...)``.
        into: input units to keep, a boolean mask of the point's entries; None for all.
        out_of: output units to keep.
    """

    def __init__(
        self, function: Map, point: Tensor, into: Tensor | None = None, out_of: Tensor | None = None
    ):
        self.function, self.point = function, point.detach()
        self.graph = _Graph(function, self.point, 1)
        self.into, self.out_of = _chosen(self.point, into), _chosen(self.graph.value, out_of)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of output and of input units."""
        return len(self.out_of), len(self.into)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the numbers that the map computes with."""
        return self.graph.value.dtype

    def forward(self, vector: Tensor) -> Tensor:
        """Multiply J by ``(inputs,)``."""
        return self.graph.push(_embed(vector[None], self.into, self.point))[0, self.out_of]

    def adjoint(self, vector: Tensor) -> Tensor:
        """Multiply the transposed J by ``(outputs,)``."""
        return self.graph.pull(_embed(vector[None], self.out_of, self.graph.value))[0, self.into]

    def matrix(self, chunk: int) -> Tensor:
        """Compute J, float64 on the CPU, ``chunk`` rows or columns at a time, whichever are fewer."""
        outputs, inputs = self.shape
        by_columns = inputs <= outputs
        graph, parts = self.graph, []
        for basis in torch.eye(min(outputs, inputs), dtype=torch.float64).split(chunk):
            if len(basis) != graph.count:
                graph = _Graph(self.function, self.point, len(basis))
            if by_columns:
                parts.append(graph.push(_embed(basis, self.into, self.point))[:, self.out_of])
            else:
                parts.append(graph.pull(_embed(basis, self.out_of, graph.value))[:, self.into])
        return torch.cat(parts).T if by_columns else torch.cat(parts)


class _Graph:
    """A map recorded at ``count`` copies of one point, with its transposed derivative once that is needed."""

    def __init__(self, function: Map, point: Tensor, count: int) -> None:
        self.count = count
        self.leaf = point.repeat(count, *[1] * (point.dim() - 1)).requires_grad_()
        self.value = function(self.leaf.clone())
        self.cotangent: Tensor | None = None
        self.pulled: Tensor | None = None

    def pull(self, cotangents: Tensor) -> Tensor:
        """Multiply the transposed J by each of ``(count, ...)``; returns ``(count, inputs)``."""
        return _flat(_gradient(self.value, self.leaf, cotangents), self.leaf)

    def push(self, tangents: Tensor) -> Tensor:
        """Multiply J by each of ``(count, ...)``; returns ``(count, outputs)``."""
        if self.cotangent is None:
            self.cotangent = torch.zeros_like(self.value, requires_grad=True)
            self.pulled = _gradient(self.value, self.leaf, self.cotangent, create_graph=True)
        found = None if self.pulled is None else _gradient(self.pulled, self.cotangent, tangents)
        return _flat(found, self.value)


def _gradient(value: Tensor, leaf: Tensor, cotangent: Tensor, create_graph: bool = False) -> Tensor | None:
    """Pull a cotangent back, keeping the graph; None where the value does not depend on the leaf."""
    if not value.requires_grad:
        return None
    (gradient,) = torch.autograd.grad(
        value, leaf, cotangent, retain_graph=True, create_graph=create_graph, allow_unused=True
    )
    return gradient


def _flat(found: Tensor | None, like: Tensor) -> Tensor:
    """Lay out as ``(count, units)``, float64 on the CPU; zeros for None."""
    rows = torch.zeros_like(like) if found is None else found
    return rows.detach().reshape(len(like), -1).double().cpu()


def _embed(vectors: Tensor, units: Tensor, like: Tensor) -> Tensor:
    """Lay ``(k, units)`` into zeros of the shape ``(k, *like.shape[1:])``."""
    full = torch.zeros(len(vectors), like[0].numel(), dtype=like.dtype)
    full[:, units] = vectors.to(like.dtype)
    return full.reshape(len(vectors), *like.shape[1:]).to(like.device)


def _chosen(tensor: Tensor, mask: Tensor | None) -> Tensor:
    """Indices of the units to keep."""
    return torch.arange(tensor.numel()) if mask is None else mask.flatten().nonzero()[:, 0].cpu()


def spectrum(
    derivative: Derivative,
    method: str,
    generator: Generator,
    exact_limit: int = 1024,
    steps: int = 24,
    zero_tolerance: float | None = None,
    chunk: int = 64,
) -> Spectrum:
    """Compute the singular values, all of them or the extreme ones.

    Args:
        derivative: the Jacobian.
        method: ``exact``, ``lanczos``, or ``auto``: exact up to ``exact_limit`` values and 2^25 entries.
        generator: of the first Lanczos vector.
        exact_limit: most singular values that ``auto`` computes exactly.
        steps: of Lanczos, each of one product with J and one with its transpose.
        zero_tolerance: a value below this times the largest is zero; None for 100 machine epsilons of the
            map's numbers, above the rounding of a deep network's backward pass.
        chunk: rows or columns of J computed in one pass.
    """
    outputs, inputs = derivative.shape
    tolerance = 100 * torch.finfo(derivative.dtype).eps if zero_tolerance is None else zero_tolerance
    if min(outputs, inputs) == 0:
        return Spectrum(inputs, outputs, (), True, None, None, None, 0, 0.0, 0.0)
    small = min(outputs, inputs) <= exact_limit and outputs * inputs <= EXACT_ENTRIES
    if method == "exact" or (method == "auto" and small):
        return _exact(derivative.matrix(chunk), tolerance)
    return _extreme(derivative, generator, steps, tolerance)


def _exact(matrix: Tensor, tolerance: float) -> Spectrum:
    outputs, inputs = matrix.shape
    if not bool(torch.isfinite(matrix).all()):
        return Spectrum(inputs, outputs, (), True, None, None, None, None, 0.0, 0.0)
    values = torch.linalg.svdvals(matrix)
    largest, smallest = float(values[0]), float(values[-1])
    num_zero = int((values <= tolerance * largest).sum())
    found = tuple(values.tolist())
    return Spectrum(inputs, outputs, found, True, largest, smallest, smallest, num_zero, 0.0, 0.0)


def _extreme(derivative: Derivative, generator: Generator, steps: int, tolerance: float) -> Spectrum:
    """Take the extreme values of a Krylov space; the smallest only where its residual says it is there."""
    outputs, inputs = derivative.shape
    wide = inputs > outputs  # start on the smaller side, where no zeros come from the shape alone
    push, pull = (
        (derivative.adjoint, derivative.forward) if wide else (derivative.forward, derivative.adjoint)
    )
    start = torch.randn(min(outputs, inputs), generator=generator, dtype=torch.float64)
    values, residuals = golub_kahan(push, pull, start, steps, tolerance)
    if not bool(torch.isfinite(values).all()):
        return Spectrum(inputs, outputs, (), False, None, None, None, None, 0.0, 0.0)
    largest, smallest = float(values[0]), float(values[-1])
    found = float(residuals[-1]) <= max(tolerance, 1e-3) * largest
    return Spectrum(
        inputs=inputs,
        outputs=outputs,
        values=tuple(values.tolist()),
        exact=False,
        sigma_max=largest,
        sigma_min=smallest if found else None,
        sigma_min_bound=smallest,
        num_zero=None,
        residual_max=float(residuals[0]),
        residual_min=float(residuals[-1]),
    )


def golub_kahan(
    push: Callable[[Tensor], Tensor],
    pull: Callable[[Tensor], Tensor],
    start: Tensor,
    steps: int,
    tolerance: float = 1e-14,
) -> tuple[Tensor, Tensor]:
    r"""Singular values of A from a Krylov space, by bidiagonalization with full reorthogonalization.

    :math:`A V_k = U_k B_k` and :math:`A^T U_k = V_k B_k^T + \beta_k v_{k+1} e_k^T` with bidiagonal
    :math:`B_k`: each singular value of :math:`B_k` lies within :math:`\beta_k` times the last entry of its
    left singular vector of a singular value of A. When the space closes before ``steps``, the values are
    exactly the distinct singular values of A that the start vector meets: one for an isometry.

    Args:
        push: product with A, ``(n,)`` to ``(m,)``, with n <= m.
        pull: product with the transposed A.
        start: the first vector, ``(n,)``; not zero.
        steps: most dimensions of the space.
        tolerance: a direction shorter than this times the norm of B is rounding: the space is closed.

    Returns:
        The values, descending, and the residual of each.
    """
    right = (start / start.norm())[None]
    left = torch.empty(0, 0, dtype=start.dtype)
    alphas: list[float] = []
    betas: list[float] = []
    closed = False
    while len(alphas) < min(steps, len(start)):
        image = push(right[-1])
        left = left.reshape(len(left), len(image))
        image = _orthogonal_to(left, image)
        alpha = float(image.norm())
        if alpha <= tolerance * max(
            [*alphas, *betas], default=0.0
        ):  # A maps the newest vector into the old space
            closed = True
            alphas.append(0.0)
            break
        alphas.append(alpha)
        left = torch.cat([left, image[None] / alpha])
        rest = _orthogonal_to(right, pull(left[-1]))
        beta = float(rest.norm())
        betas.append(beta)
        if not math.isfinite(beta) or beta <= tolerance * max([*alphas, *betas]) or len(right) == len(start):
            closed = True
            break
        right = torch.cat([right, rest[None] / beta])
    size = len(alphas)
    bidiagonal = torch.diag(torch.tensor(alphas, dtype=start.dtype))
    for index, beta in enumerate(betas[: size - 1]):
        bidiagonal[index, index + 1] = beta
    if not bool(torch.isfinite(bidiagonal).all()):
        return torch.full((size,), torch.nan), torch.full((size,), torch.nan)
    vectors, values, _ = torch.linalg.svd(bidiagonal)
    last = 0.0 if closed else betas[-1]
    return values, last * vectors[-1].abs()


def _orthogonal_to(basis: Tensor, vector: Tensor) -> Tensor:
    """Take off the components along orthonormal rows, twice: once leaves rounding behind."""
    for _ in range(2):
        vector = vector - basis.T @ (basis @ vector)
    return vector
