"""The eigenvalues of largest magnitude of a symmetric operator, from products alone.

Two methods, both on flat vectors of shape ``(dimension,)``: Lanczos (1950) with full reorthogonalization, and
power iteration. Inner products are accumulated in float64 whatever the type of the vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from initlab.errors import Refused

Product = Callable[[Tensor], Tensor]
CHUNK = 1 << 20  # elements that are widened to float64 at a time


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of largest magnitude, and how well they are known.

    Args:
        eigenvalues: signed, by falling magnitude.
        residuals: for each, ``||H x - lambda x||``: a true eigenvalue lies within that distance.
        converged: whether every eigenvalue is known to the tolerance.
        history: estimate of the first eigenvalue and its residual after each product.
    """

    eigenvalues: tuple[float, ...]
    residuals: tuple[float, ...]
    converged: bool
    history: tuple[tuple[float, float], ...]

    @property
    def num_products(self) -> int:
        """Number of products with the operator."""
        return len(self.history)


def lanczos(
    product: Product,
    start: Tensor,
    generator: Generator,
    num_eigenvalues: int = 1,
    tolerance: float = 1e-3,
    max_products: int = 100,
) -> Spectrum:
    r"""Find the ``num_eigenvalues`` eigenvalues of largest magnitude in a Krylov space.

    After k products :math:`H Q_k = Q_k T_k + \beta_k q_{k+1} e_k^T` with T tridiagonal. An eigenpair
    :math:`(\theta, s)` of T gives the Ritz pair :math:`(\theta, Q_k s)` with residual exactly
    :math:`r = |\beta_k s_k|`, and a true eigenvalue lies within r of it. The iteration stops when r of each
    wanted Ritz value is below ``tolerance`` times its magnitude, and no other Ritz value could, by its own
    residual, turn out larger than the last one wanted by more than that tolerance.

    When one eigenvalue is wanted, the sharper bound of :func:`distance_bounds` may stand for r: it spares
    about a quarter of the products. As it trusts the other Ritz values, it is believed only when r is below
    ten times the tolerance and the last product changed the value by less than the tolerance.

    A repeated eigenvalue is counted once, as by every method that starts from one vector. When the Krylov
    space is exhausted (:math:`\beta_k` vanishes) before enough values are known, a fresh random vector
    continues it.

    Args:
        product: maps ``(dimension,)`` to ``(dimension,)``; linear and symmetric.
        start: any non-zero vector of shape ``(dimension,)``; its type and device are the vectors'.
        generator: draws the vectors that continue an exhausted space.
        num_eigenvalues: how many.
        tolerance: relative.
        max_products: give up after so many; the result then says ``converged=False``.

    Raises:
        Refused: a product is not finite.
    """
    dimension = start.numel()
    wanted = min(num_eigenvalues, dimension)
    epsilon = torch.finfo(start.dtype).eps
    basis = [start / norm(start)]
    diagonal: list[float] = []
    off_diagonal: list[float] = []
    history: list[tuple[float, float]] = []
    while True:
        image = finite(product(basis[-1]))
        diagonal.append(dot(basis[-1], image))
        orthogonalize_(image, basis)
        # A basis of the whole space leaves nothing; the product may have come with a little rounding.
        beta = norm(image) if len(basis) < dimension else 0.0
        ritz, vectors = torch.linalg.eigh(tridiagonal(diagonal, off_diagonal))
        residuals = beta * vectors[-1].abs()
        order = ritz.abs().argsort(descending=True)
        top, rest = order[:wanted], order[wanted:]
        history.append((float(ritz[top[0]]), float(residuals[top[0]])))
        largest = float(ritz.abs().max())
        # Rounding leaves products no better known than this, however long one iterates.
        floor = 100 * epsilon * largest
        margin = torch.clamp(tolerance * ritz.abs(), min=floor)
        known = residuals <= margin
        if wanted == 1:
            settled = len(history) > 1 and abs(abs(history[-2][0]) - largest) <= float(margin[top[0]])
            known |= settled & (residuals <= 10 * margin) & (distance_bounds(ritz, residuals) <= margin)
        smallest_wanted = float(ritz[top[-1]].abs())
        rivals = (ritz.abs() + residuals > max((1 + tolerance) * smallest_wanted, floor)) & ~known
        converged = len(top) == wanted and bool(known[top].all()) and not bool(rivals[rest].any())
        if converged or len(history) >= max_products:
            break
        if beta <= 10 * epsilon * max(largest, torch.finfo(start.dtype).tiny):
            image = torch.randn(dimension, generator=generator, dtype=torch.float64).to(start)
            orthogonalize_(image, basis)
            off_diagonal.append(0.0)
            basis.append(image / norm(image))
        else:
            off_diagonal.append(beta)
            basis.append(image / beta)
    return Spectrum(tuple(ritz[top].tolist()), tuple(residuals[top].tolist()), converged, tuple(history))


def distance_bounds(ritz: Tensor, residuals: Tensor) -> Tensor:
    r"""Bound the distance of each Ritz value to an eigenvalue by :math:`\min(r, r^2 / \delta)`; all ``(k,)``.

    :math:`\delta` is the distance to the other eigenvalues (Kato and Temple; Parlett, The Symmetric
    Eigenvalue Problem, Thm 11.7.1), for which stand the other Ritz values, each moved closer by its residual:
    a bound as long as no eigenvalue has stayed unseen.
    """
    distance = (ritz[:, None] - ritz[None, :]).abs() - residuals[None, :]
    gap = distance.fill_diagonal_(torch.inf).amin(dim=1)
    separated = (gap > residuals) & torch.isfinite(gap)  # a single Ritz value says nothing of the others
    return torch.where(separated, residuals.square() / gap, residuals)


def power_iteration(
    product: Product, start: Tensor, tolerance: float = 1e-3, max_products: int = 100
) -> Spectrum:
    r"""Find the eigenvalue of largest magnitude by :math:`v \leftarrow H v / \lVert H v \rVert_2`.

    The estimate is the Rayleigh quotient :math:`\rho = v^T H v`, which keeps the sign of the eigenvalue, with
    the residual :math:`\lVert H v - \rho v \rVert_2`. Two eigenvalues of nearly equal magnitude and opposite
    sign make it slow; Lanczos is not troubled by that.

    Args:
        product: maps ``(dimension,)`` to ``(dimension,)``; linear and symmetric.
        start: any non-zero vector of shape ``(dimension,)``.
        tolerance: stop when the residual is below this times :math:`|\rho|`.
        max_products: give up after so many; the result then says ``converged=False``.

    Raises:
        Refused: a product is not finite.
    """
    floor = 100 * torch.finfo(start.dtype).eps
    vector = start / norm(start)
    history: list[tuple[float, float]] = []
    while True:
        image = finite(product(vector))
        rayleigh = dot(vector, image)
        residual, length = norm(image - rayleigh * vector), norm(image)
        history.append((rayleigh, residual))
        converged = residual <= max(tolerance * abs(rayleigh), floor * length)
        if converged or len(history) >= max_products:
            return Spectrum((rayleigh,), (residual,), converged, tuple(history))
        vector = image / length


def tridiagonal(diagonal: Sequence[float], off_diagonal: Sequence[float]) -> Tensor:
    """Make the symmetric tridiagonal matrix, in float64."""
    matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    beside = torch.tensor(off_diagonal[: len(diagonal) - 1], dtype=torch.float64)
    return matrix + torch.diag(beside, 1) + torch.diag(beside, -1)


def orthogonalize_(vector: Tensor, basis: Sequence[Tensor]) -> None:
    """Subtract from ``vector`` its part in the span of an orthonormal basis; twice, which is enough."""
    for _ in range(2):
        for direction in basis:
            vector.sub_(direction, alpha=dot(direction, vector))


def dot(left: Tensor, right: Tensor) -> float:
    """Inner product of two flat vectors, accumulated in float64."""
    return sum(
        float(torch.dot(a.double(), b.double()))
        for a, b in zip(left.split(CHUNK), right.split(CHUNK), strict=True)
    )


def norm(vector: Tensor) -> float:
    """Euclidean norm of a flat vector, accumulated in float64."""
    return float(dot(vector, vector) ** 0.5)


def finite(vector: Tensor) -> Tensor:
    """Return the vector, or refuse one with NaN or inf."""
    if not bool(torch.isfinite(vector).all()):
        raise Refused("a Hessian-vector product is not finite: try the model and the batch in float64")
    return vector
