"""Products of a loss's Hessian with vectors, from a gradient graph that is built once: Pearlmutter 1994."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from initlab.diagnostic.checks import scalar
from initlab.errors import Refused

Closure = Callable[[], Tensor]


class HessianProduct:
    r"""The map :math:`v \mapsto H v` for :math:`H = \nabla^2 \sum_c L_c`, on flat vectors ``(dimension,)``.

    Each closure recomputes one term of the loss. Its gradient :math:`g_c` is built once, with its graph, and
    each product is then one backward pass, :math:`\nabla (g_c^T v)`: the forward pass and the first
    backward pass are not repeated. Graphs are kept as long as the tensors that they hold fit into
    ``graph_memory`` bytes; the terms beyond are rebuilt at each product.

    Args:
        closures: the terms of the loss, scalars; evaluated in order.
        parameters: the variables. One listed twice counts once; one that a term does not use is a zero.
        graph_memory: bytes that kept graphs may hold; 0 keeps none.

    Raises:
        Refused: a parameter requires no gradient, a term is not scalar or depends on no parameter.
    """

    def __init__(
        self, closures: Iterable[Closure], parameters: Iterable[Tensor], graph_memory: float = 4 * 2**30
    ) -> None:
        self.parameters = list({id(parameter): parameter for parameter in parameters}.values())
        if not self.parameters:
            raise Refused("params: there is no trainable parameter to differentiate by")
        for index, parameter in enumerate(self.parameters):
            if not parameter.requires_grad:
                shape = tuple(parameter.shape)
                raise Refused(f"params: number {index}, of shape {shape}, requires no gradient; leave it out")
        self.dimension = sum(parameter.numel() for parameter in self.parameters)
        self._kept: list[list[Tensor]] = []
        self._rebuilt: list[Closure] = []
        held = 0
        for closure in closures:
            # The terms are alike, so the first tells what the others will hold.
            if self._kept and held / len(self._kept) * (len(self._kept) + 1) > graph_memory:
                self._rebuilt.append(closure)
                continue
            meter = _Meter()
            with meter:
                gradient = self._gradient(closure)
            if held + meter.size > graph_memory:
                self._rebuilt.append(closure)
            else:
                self._kept.append(gradient)
                held += meter.size
        self.graph_bytes = held

    @property
    def num_kept(self) -> int:
        """Number of terms whose graph is kept."""
        return len(self._kept)

    def __call__(self, vector: Tensor) -> Tensor:
        """Return ``H v``, of shape ``(dimension,)``."""
        parts = self.split(vector)
        total = torch.zeros_like(vector)
        for gradient in self._kept:
            total += self._product(gradient, parts, retain_graph=True)
        for closure in self._rebuilt:
            total += self._product(self._gradient(closure), parts, retain_graph=False)
        return total

    def split(self, vector: Tensor) -> list[Tensor]:
        """Cut a flat vector into the shapes of the parameters."""
        pieces = vector.split([parameter.numel() for parameter in self.parameters])
        return [piece.view_as(like) for piece, like in zip(pieces, self.parameters, strict=True)]

    def _gradient(self, closure: Closure) -> list[Tensor]:
        with torch.enable_grad():
            loss = scalar(closure())
            return list(torch.autograd.grad(loss, self.parameters, create_graph=True, materialize_grads=True))

    def _product(self, gradient: Sequence[Tensor], parts: Sequence[Tensor], retain_graph: bool) -> Tensor:
        # A gradient that is constant in the parameters has no graph, and adds nothing to the product.
        curved = [(g, part) for g, part in zip(gradient, parts, strict=True) if g.requires_grad]
        if not curved:
            return torch.zeros(self.dimension, dtype=parts[0].dtype, device=parts[0].device)
        images = torch.autograd.grad(
            [g for g, _ in curved],
            self.parameters,
            [part for _, part in curved],
            retain_graph=retain_graph,
            materialize_grads=True,
        )
        return torch.cat([image.reshape(-1) for image in images])


class _Meter(saved_tensors_hooks):
    """Add up the bytes of the distinct storages that autograd saves."""

    def __init__(self) -> None:
        self._storages: dict[int, int] = {}
        super().__init__(self._weigh, lambda saved: saved)

    @property
    def size(self) -> int:
        """Bytes saved so far."""
        return sum(self._storages.values())

    def _weigh(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        self._storages[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # not the tensor itself: the graph would hold on to itself for ever
