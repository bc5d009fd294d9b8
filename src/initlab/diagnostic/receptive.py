"""The receptive field of a feature, read off the graph that autograd recorded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

from torch import Tensor

from initlab.diagnostic.checks import logits_of


@dataclass(frozen=True)
class _View:
    """What one position sees: the side of its window, and the distance of neighbours' windows, in pixels."""

    size: tuple[float, ...]
    jump: tuple[float, ...]


def positions(inputs: Tensor) -> tuple[int, ...]:
    """Extent of the positions of a batch: ``(H, W)`` of ``(N, C, H, W)``, ``(D,)`` of ``(N, D)``."""
    return tuple(inputs.shape[2:]) or tuple(inputs.shape[1:])


def architectural_field(features: Tensor, leaf: Tensor) -> tuple[int, ...]:
    r"""Side of the window of the input that one feature sees, per spatial dimension.

    Along the graph :math:`r \leftarrow r + (k - 1)\, d\, j` and :math:`j \leftarrow s\, j` for kernel k,
    dilation d and stride s; branches that meet are merged by the larger. Where an operation mixes all
    positions the side is that of the input. A linear layer applied to several positions acts on each.

    Args:
        features: computed from ``leaf`` with gradients recorded.
        leaf: one input, ``(1, C, *positions)`` or ``(1, D)``, that requires a gradient.
    """
    extent = positions(leaf)
    start = _View((1.0,) * len(extent), (1.0,) * len(extent))
    views: dict[Any, _View | None] = {}
    for node in _inputs_first(logits_of(features).grad_fn):
        if getattr(node, "variable", None) is leaf:
            views[node] = start
            continue
        parents = [views[parent] for parent, _ in node.next_functions if parent is not None]
        before = [view for view in parents if view is not None]
        views[node] = _through(node, before) if before else None
    view = views.get(features.grad_fn)
    sides = (0.0,) * len(extent) if view is None else view.size
    return tuple(int(length if side == inf else side) for side, length in zip(sides, extent, strict=True))


def _inputs_first(root: Any) -> Iterator[Any]:
    """Walk the graph so that each node comes after all that it was computed from, without recursion."""
    done, stack = set(), [(root, False)] if root is not None else []
    while stack:
        node, ready = stack.pop()
        if ready:
            yield node
        elif node not in done:
            done.add(node)
            stack.append((node, True))
            stack.extend((parent, False) for parent, _ in node.next_functions if parent is not None)


def _merge(views: list[_View]) -> _View:
    sizes, jumps = zip(*((view.size, view.jump) for view in views), strict=True)
    return _View(tuple(map(max, zip(*sizes, strict=True))), tuple(map(max, zip(*jumps, strict=True))))


def _through(node: Any, before: list[_View]) -> _View:
    """Widen what the operands see by one operation."""
    view = _merge(before)
    name, dims = node.name(), len(view.size)
    if name.startswith("Convolution"):
        kernel = node._saved_weight.shape[2:]
        return _window(view, kernel, node._saved_stride, node._saved_dilation)
    if name.startswith(("MaxPool", "AvgPool")):
        kernel = node._saved_kernel_size
        stride = node._saved_stride or kernel
        dilation = getattr(node, "_saved_dilation", (1,) * len(kernel))
        return _window(view, kernel[-dims:], stride[-dims:], dilation[-dims:])
    return _View((inf,) * dims, view.jump) if _mixes(node, len(before)) else view


def _window(view: _View, kernel: Any, stride: Any, dilation: Any) -> _View:
    steps = zip(view.size, view.jump, kernel, dilation, strict=True)
    size = tuple(side + (k - 1) * d * jump for side, jump, k, d in steps)
    return _View(size, tuple(jump * s for jump, s in zip(view.jump, stride, strict=True)))


def _mixes(node: Any, operands: int) -> bool:
    """Whether every position of the output sees every position of the operands that depend on the input."""
    name = node.name()
    if name.startswith(("Bmm", "Baddbmm")):  # attention; with one operand a linear layer on each position
        return operands > 1
    if name.startswith(("Addmm", "Mm")):  # one row is a linear layer on the whole input
        sizes = node._saved_mat1_sym_sizes if name.startswith("Addmm") else node._saved_self_sym_sizes
        return bool(sizes[0] == 1)
    return name.startswith(("ScaledDotProduct", "AdaptiveAvgPool", "AdaptiveMaxPool")) or _is_over_space(node)


def _is_over_space(node: Any) -> bool:
    """Whether a mean or sum runs over positions, and not over channels alone."""
    if not node.name().startswith(("MeanBackward1", "SumBackward1")):
        return False
    sizes = node._saved_self_sym_sizes
    return any((dim if dim < 2**63 else dim - 2**64) % len(sizes) >= 2 for dim in node._saved_dim)
