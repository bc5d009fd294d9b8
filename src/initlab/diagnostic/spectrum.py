"""Singular values of the derivative of any map at one point: all of them, or the extreme ones by Lanczos."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.autograd import forward_ad

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
    """The derivative J of a map at one input, as a linear operator between chosen units.

    The map must treat inputs one by one, as networks in evaluation mode do: a batch of copies of the
    point then gives many rows or columns of J in one pass.

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
        self.leaf = self.point.clone().requires_grad_()
        self.value = function(self.leaf.clone())
        self.into = _chosen(point, into)
        self.out_of = _chosen(self.value, out_of)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of output and of input units."""
        return len(self.out_of), len(self.into)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the numbers that the map computes with."""
        return self.value.dtype

    def forward(self, vector: Tensor) -> Tensor:
        """Multiply J by ``(inputs,)``: forward-mode differentiation, one forward pass."""
        return self._push(self.point, self._embed(vector[None], self.into, self.point))[0]

    def adjoint(self, vector: Tensor) -> Tensor:
        """Multiply the transposed J by ``(outputs,)``: one backward pass through the graph at hand."""
        cotangent = self._embed(vector[None], self.out_of, self.value)
        return self._pull(self.value, self.leaf, cotangent, keep=True)[0]

    def matrix(self, chunk: int) -> Tensor:
        """Compute J, float64 on the CPU, ``chunk`` rows or columns at a time, whichever are fewer."""
        outputs, inputs = self.shape
        parts = []
        if inputs <= outputs:
            for columns in torch.eye(inputs, dtype=torch.float64).split(chunk):
                points = self.point.expand(len(columns), *self.point.shape[1:])
                parts.append(self._push(points, self._embed(columns, self.into, self.point)))
            return torch.cat(parts).T if parts else torch.zeros(outputs, inputs, dtype=torch.float64)
        leaf = value = None
        for rows in torch.eye(outputs, dtype=torch.float64).split(chunk):
            if leaf is None or value is None or len(leaf) != len(rows):
                leaf = self.point.repeat(len(rows), *[1] * (self.point.dim() - 1)).requires_grad_()
                value = self.function(leaf.clone())
            parts.append(self._pull(value, leaf, self._embed(rows, self.out_of, self.value), keep=True))
        return torch.cat(parts) if parts else torch.zeros(outputs, inputs, dtype=torch.float64)

    def _embed(self, vectors: Tensor, units: Tensor, like: Tensor) -> Tensor:
        """Lay ``(k, units)`` into zeros of the shape ``(k, *like.shape[1:])``."""
        full = torch.zeros(len(vectors), like.numel(), dtype=like.dtype)
        full[:, units] = vectors.to(like.dtype)
        return full.reshape(len(vectors), *like.shape[1:]).to(like.device)

    def _push(self, points: Tensor, tangents: Tensor) -> Tensor:
        with forward_ad.dual_level():
            tangent = forward_ad.unpack_dual(
                self.function(forward_ad.make_dual(points.clone(), tangents))
            ).tangent
        if tangent is None:  # a map that ignores its input
            return torch.zeros(len(points), len(self.out_of), dtype=torch.float64)
        return tangent.detach().reshape(len(points), -1).double().cpu()[:, self.out_of]

    def _pull(self, value: Tensor, leaf: Tensor, cotangents: Tensor, keep: bool) -> Tensor:
        if not value.requires_grad:
            return torch.zeros(len(leaf), len(self.into), dtype=torch.float64)
        (gradient,) = torch.autograd.grad(value, leaf, cotangents, retain_graph=keep, allow_unused=True)
        if gradient is None:
            return torch.zeros(len(leaf), len(self.into), dtype=torch.float64)
        return gradient.reshape(len(leaf), -1).double().cpu()[:, self.into]


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
