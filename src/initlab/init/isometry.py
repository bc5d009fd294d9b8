r"""Building blocks of exact isometries in ReLU networks: mirrored pairs and convolutions with one tap.

A ReLU loses half of its input. A *looks-linear* network (Balduzzi et al. 2017; Burkholz & Dubatovka 2019)
keeps both halves: channels come in pairs :math:`(\hat z, -\hat z)`, of which the ReLU makes
:math:`x_+ = \phi(\hat z)` and :math:`x_- = \phi(-\hat z)`, and since :math:`x_+ - x_- = \hat z` the next
looks-linear layer sees :math:`\hat z` itself. The network is then the linear network of its half-size
matrices. A *delta* convolution (Xiao et al. 2018) multiplies each pixel by a matrix, so that no border loses
anything.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from initlab.errors import Refused
from initlab.init import draw
from initlab.site import Role, Site


class PartialIsometryWarning(UserWarning):
    """An isometry holds on a part of the input alone: a layer narrows, or strides skip pixels."""


def looks_linear(matrix: Tensor) -> Tensor:
    """Return ``[[U, -U], [-U, U]]`` of U: ``(m, n)`` to ``(2m, 2n)`` (RISOTTO paper, Def. 2.7)."""
    return torch.cat([torch.cat([matrix, -matrix], dim=1), torch.cat([-matrix, matrix], dim=1)])


def looks_linear_first(matrix: Tensor) -> Tensor:
    """Return ``[U; -U]`` of U, which makes the pairs: ``(m, n)`` to ``(2m, n)`` (Def. 2.7, first layer)."""
    return torch.cat([matrix, -matrix])


def delta(matrix: Tensor, kernel_size: Sequence[int]) -> Tensor:
    """Return the convolution that multiplies every pixel by a matrix: ``(m, n)`` to ``(m, n, *kernel_size)``.

    The matrix stands at the tap ``k // 2``, the pixel itself when the padding is ``k // 2``; all other taps
    are 0. With no kernel size, as for a linear layer, the matrix is returned as it is.
    """
    weight = matrix.new_zeros(*matrix.shape, *kernel_size)
    middle: tuple[Any, ...] = (..., *(k // 2 for k in kernel_size))
    weight[middle] = matrix
    return weight


def stem_weight(site: Site, rng: Generator) -> Tensor:
    """Draw the layer that splits the input into pairs, of shape ``site.shape``: delta of ``[U; -U]``.

    U is orthogonal, with orthonormal columns where the layer has at least two outputs per input.

    Raises:
        Refused: the layer has an odd number of outputs, or groups.
    """
    check_pairs(site, first=True)
    if site.out_channels < 2 * site.in_channels:
        warn_of_narrowing(site, site.out_channels // 2)
    matrix = draw.orthogonal((site.out_channels // 2, site.in_channels), rng)
    return delta(looks_linear_first(matrix), site.kernel_size)


def hidden_weight(site: Site, rng: Generator) -> Tensor:
    """Draw a layer between pairs, of shape ``site.shape``: delta of ``looks_linear(U)``, U orthogonal.

    Raises:
        Refused: the layer has an odd number of inputs or outputs, or groups.
    """
    check_pairs(site)
    if site.out_channels < site.in_channels:
        warn_of_narrowing(site, site.out_channels // 2)
    matrix = draw.orthogonal((site.out_channels // 2, site.in_channels // 2), rng)
    return delta(looks_linear(matrix), site.kernel_size)


def check_pairs(site: Site, first: bool = False) -> None:
    """Refuse a layer whose channels cannot come in pairs; the first layer's inputs need not."""
    if site.groups != 1:
        raise Refused(
            f"{site} has {site.groups} groups, which looks-linear weights would cross: use groups=1"
        )
    if site.out_channels % 2 or (site.in_channels % 2 and not first):
        raise Refused(
            f"{site} has an odd number of channels and looks-linear channels come in pairs: "
            "choose even widths for the model"
        )


def warn_of_narrowing(site: Site, kept: int) -> None:
    """Warn that a layer passes on fewer dimensions than it gets."""
    warnings.warn(
        f"{site} narrows: the isometry is partial, it keeps {kept} dimensions per pixel",
        PartialIsometryWarning,
        stacklevel=2,
    )


def warn_of_strides(sites: Iterable[Site], model: nn.Module) -> None:
    """Warn once, naming the layers, where strides or max pooling leave pixels out."""
    names = [
        str(site)
        for site in sites
        if site.role is not Role.BRANCH and any(stride > 1 for stride in site.stride)
    ]
    names += [name for name, module in model.named_modules() if isinstance(module, nn.MaxPool2d)]
    if names:
        warnings.warn(
            f"{', '.join(names)}: strides and pooling leave pixels out, so the isometry is partial, "
            "from the sampled pixels alone",
            PartialIsometryWarning,
            stacklevel=2,
        )
