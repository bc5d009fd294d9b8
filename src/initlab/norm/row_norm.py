r"""The reparametrization :math:`W = g v / \lVert v \rVert`, row by row: Salimans & Kingma 2016, Eq. 2, 3.

Three forms of one function. :func:`composed` is made of plain operations and exact in every order. The fused
kernel of torch is two to four times as fast, and its derivative is right in first order alone
(``docs/errata.md``). :func:`normalize_rows` takes the kernel for a plain training step and the operations for
everything else.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_backward_kernel = torch.ops.aten._weight_norm_interface_backward.default


def row_norm(weight: Tensor) -> Tensor:
    """Euclidean norm of each row, kept broadcastable: ``(out, in, ...)`` to ``(out, 1, ...)``."""
    return torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.dim())), keepdim=True)


def composed(g: Tensor, v: Tensor) -> Tensor:
    r"""Return :math:`g\, v / \lVert v \rVert` from plain operations.

    Args:
        g: ``(out, 1, ...)``.
        v: ``(out, in, ...)``.
    """
    return v * (g / row_norm(v))


def normalize_rows(g: Tensor, v: Tensor) -> Tensor:
    """Return what :func:`composed` does, and its derivatives of every order, by the fused kernel if possible.

    Under ``torch.func`` and ``torch.compile`` it is composed: the one has no rule for the kernel, and the
    other makes a kernel of its own.
    """
    if torch.compiler.is_compiling() or _transformed() or not (_has_kernel(v) and g.is_contiguous()):
        return composed(g, v)
    weight: Tensor = FusedRowNorm.apply(g, v)
    return weight


class FusedRowNorm(torch.autograd.Function):
    r"""The fused kernel for values and first derivatives, plain operations where a graph of those is built.

    With :math:`u = v / \lVert v \rVert` and a cotangent :math:`\bar W`, row by row:
    :math:`\bar g = \langle \bar W, u \rangle` and
    :math:`\bar v = g (\bar W - \langle \bar W, u \rangle u) / \lVert v \rVert` (Salimans & Kingma, Eq. 3).
    """

    @staticmethod
    def forward(ctx: Any, g: Tensor, v: Tensor) -> Tensor:
        """Return the weight, of the shape of ``v``."""
        weight, norms = torch._weight_norm_interface(v, g, 0)
        ctx.save_for_backward(g, v, norms)
        ctx.save_for_forward(g, v)
        return weight

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cotangents of g and v."""
        g, v, norms = ctx.saved_tensors
        if torch.is_grad_enabled() or _transformed() or _is_dual(cotangent, g, v):
            norm = row_norm(v)  # and not `norms`, which knows no graph
            unit = v / norm
            along = _along(cotangent, unit)
            return along, g / norm * (cotangent - along * unit)
        v_cotangent, g_cotangent = _backward_kernel(cotangent.contiguous(), v, g, norms, 0)
        return g_cotangent, v_cotangent

    @staticmethod
    def jvp(ctx: Any, g_tangent: Tensor, v_tangent: Tensor) -> Tensor:
        """Return the tangent of the weight."""
        g, v = ctx.saved_tensors
        norm = row_norm(v)
        unit = v / norm
        return g_tangent * unit + g / norm * (v_tangent - _along(v_tangent, unit) * unit)


def _along(vector: Tensor, unit: Tensor) -> Tensor:
    """Inner product of each row with its direction, ``(out, 1, ...)``."""
    return (vector * unit).sum(tuple(range(1, unit.dim())), keepdim=True)


def _has_kernel(v: Tensor) -> bool:
    # On a GPU its square roots are of float32, also for float64.
    types = {"cpu": (torch.float32, torch.float64), "cuda": (torch.float32,)}
    return v.dtype in types.get(v.device.type, ()) and v.is_contiguous()


def _transformed() -> bool:
    return torch._C._are_functorch_transforms_active()


def _is_dual(*tensors: Tensor) -> bool:
    return any(torch.autograd.forward_ad.unpack_dual(tensor).tangent is not None for tensor in tensors)
