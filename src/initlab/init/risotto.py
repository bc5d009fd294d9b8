"""RISOTTO, dynamical isometry of residual ReLU networks: Gadhikar & Burkholz 2022, Def. 2.7 to 2.9."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from torch import Generator, Tensor, nn

from initlab.errors import ConfigError, Refused
from initlab.init import draw
from initlab.init.base import Batch, Init, torch_default_, zero_bias_
from initlab.init.isometry import (
    check_pairs,
    delta,
    hidden_weight,
    looks_linear,
    stem_weight,
    warn_of_narrowing,
    warn_of_strides,
)
from initlab.norm.base import is_weight_normalized, row_norm, set_weight_
from initlab.site import Role, Site

Form = Literal["exact", "paper", "appendix"]


@dataclass(frozen=True)
class Risotto(Init):
    r"""Make every residual block an orthogonal map of the pairs :math:`\hat x = x_+ - x_-`, exactly.

    All convolutions are delta convolutions, LL is the looks-linear structure ``[[U, -U], [-U, U]]``, and
    M, U are random orthogonal matrices over pairs (Haar; orthonormal columns where a layer widens). For every
    alpha and beta:

    - stem: ``[U; -U]``, from the image to pairs;
    - Type C, a projection on the skip: branch :math:`LL(U_i)`, skip
      :math:`LL(M - \alpha U_m \cdots U_1) / \beta` (Def. 2.8);
    - Type B, the identity on the skip, whose branch keeps the width: identities, but for the last layer
      :math:`(LL(M) - \beta I) / \alpha`;
    - Type B bottleneck: the middle layer cannot carry all pairs, so a random subset S of as many pairs as it
      can (N/8 of N/2) is rotated and the rest passes by the skip: the first layer selects S, the last is
      :math:`(LL(M_S) - I) / \alpha` on the rows of S and 0 on all others;
    - pre-activation with the identity on the skip: :math:`U_m \cdots U_1 = (M - \beta I) / \alpha`, and in a
      bottleneck :math:`M = \beta (I - 2 V V^T)`, V of N/8 orthonormal columns;
    - pre-activation with a projection of relu(z): as Type C; of z: half of it, since LL sees z twice.

    Biases are 0 and the head is torch's default: dense, because a looks-linear head after the pooling would
    see the mean colour alone (its Jacobian to the image has rank 3). Hidden layers of plain chains are LL(U).

    The Jacobian from the image to ``features`` then has singular values 1 alone, without strides and pooling;
    with them, 1 on the sampled pixels and 0 elsewhere. That of one block with respect to its raw input has 0
    for half of its entries, since one of each pair is inactive, and :math:`\sqrt 2` for the others (in Type B
    also 1, where an output and its input are both active).
    With batch norm the pairs stay mirrored, but branch and skip are rescaled apart and nothing is kept
    exactly.

    Differs from the paper: Def. 2.9 gives Type B blocks the last layer :math:`LL(M - I/\alpha)`, which is no
    isometry (squared norm 2 + 1/pi after one wide block, singular values 0.6 to 2.1), and App. A.3 the last
    layer :math:`LL(M) - I/\alpha`, which scales by alpha (in pre-activation blocks it is the other way round:
    Def. 2.9 scales by alpha and App. A.3 breaks the pairs). Neither says what a bottleneck with an identity
    skip gets. Theorem 2.11 is true of the pairs and not of the raw block.

    Args:
        form: of blocks with an identity skip: ``exact``; ``paper``, Def. 2.9 to the letter; ``appendix``,
            that of App. A.3. In the last two, blocks that do not keep the width inside get LL(U) in every
            layer (norm 1.16 after one bottleneck).

    Raises:
        Refused: a width is odd; a block does not tell its scales; no weight of that form exists.
    """

    formula: ClassVar[str] = (
        "Type C: LL(U_i), skip LL(M - α U_m…U_1)/β; Type B: last (LL(M) - β I)/α, others I; LL(U) = "
        "[[U, -U], [-U, U]]"
    )
    held_by: ClassVar[str] = "test_all_singular_values_from_the_image_are_one"
    needs_places: ClassVar[bool] = True

    form: Form = "exact"

    def __post_init__(self) -> None:
        if self.form not in ("exact", "paper", "appendix"):
            raise ConfigError(f"init.form={self.form}: must be exact, paper or appendix")

    def set_sites_(
        self, sites: Sequence[Site], model: nn.Module, generator: Generator, batch: Batch | None
    ) -> None:
        """Set every site; the layers of a block together, when its first one comes."""
        warn_of_strides(sites, model)
        blocks: dict[int, list[Site]] = {}
        for site in sites:
            if site.role in (Role.BRANCH, Role.SHORTCUT):
                blocks.setdefault(id(site.unit), []).append(site)
        for site in sites:
            if site.role is Role.HEAD:
                torch_default_(site, generator)
            elif site.role is Role.STEM:
                _write(site, stem_weight(site, generator))
            elif site.role is Role.HIDDEN:
                _write(site, hidden_weight(site, generator))
            elif site is blocks[id(site.unit)][0]:
                for member, matrix in self.block(blocks[id(site.unit)], generator):
                    _write(member, delta(matrix, member.kernel_size))

    def block(self, sites: Sequence[Site], rng: Generator) -> Iterator[tuple[Site, Tensor]]:
        """Draw the matrices ``(out, in)`` of the layers of one block, each with its site."""
        branch = sorted((site for site in sites if site.role is Role.BRANCH), key=lambda site: site.position)
        shortcut = next((site for site in sites if site.role is Role.SHORTCUT), None)
        for site in sites:
            check_pairs(site)
        scales = Scales.of(branch[0])
        if shortcut is not None:
            return self._projection(branch, shortcut, scales, rng)
        if self.form != "exact":
            return self._as_printed(branch, scales, rng)
        if scales.alpha == 0:
            raise Refused(
                f"the residual scale of {branch[0]} is 0, so no weight makes its block rotate: "
                "set model.residual_scale, or use model=resnet_c"
            )
        return (
            self._identity_preact(branch, scales, rng)
            if scales.preact
            else self._identity(branch, scales, rng)
        )

    def _projection(
        self, branch: Sequence[Site], shortcut: Site, scales: Scales, rng: Generator
    ) -> Iterator[tuple[Site, Tensor]]:
        """Def. 2.8: the skip gives what the branch lacks of M."""
        if scales.beta == 0:
            raise Refused(f"the skip scale of {shortcut} is 0: set model.skip_scale")
        if shortcut.out_channels < shortcut.in_channels:
            warn_of_narrowing(shortcut, shortcut.out_channels // 2)
        product = torch.eye(shortcut.in_channels // 2, dtype=torch.float64)
        for site in branch:
            matrix = draw.orthogonal((site.out_channels // 2, site.in_channels // 2), rng)
            product = matrix @ product
            yield site, looks_linear(matrix)
        whole = draw.orthogonal((shortcut.out_channels // 2, shortcut.in_channels // 2), rng)
        # LL of z = [u; -u] is [2 U u; -2 U u], of relu(z) it is [U u; -U u].
        seen = 2.0 if scales.projects_raw else 1.0
        yield shortcut, looks_linear((whole - scales.alpha * product) / (seen * scales.beta))

    def _identity(
        self, branch: Sequence[Site], scales: Scales, rng: Generator
    ) -> Iterator[tuple[Site, Tensor]]:
        """Type B: all pairs that the branch can carry are rotated, the others pass by the skip."""
        width = branch[-1].out_channels
        carried = _carried(branch)
        if 2 * carried < width and scales.beta != 1:
            raise _scaled_skip(branch, carried, scales)
        rotated = torch.randperm(width // 2, generator=rng)[:carried].sort().values
        chosen = torch.cat([rotated, rotated + width // 2])
        places = [chosen, *(_slots(site.out_channels, carried) for site in branch[:-1])]
        for site, (ins, outs) in zip(branch[:-1], pairwise(places), strict=True):
            yield site, _placed(site, outs, ins, torch.eye(2 * carried, dtype=torch.float64))
        rotation = looks_linear(draw.orthogonal((carried, carried), rng))
        rotation -= scales.beta * torch.eye(2 * carried, dtype=torch.float64)
        yield branch[-1], _placed(branch[-1], chosen, places[-1], rotation / scales.alpha)

    def _identity_preact(
        self, branch: Sequence[Site], scales: Scales, rng: Generator
    ) -> Iterator[tuple[Site, Tensor]]:
        """Pre-activation with an identity skip: the branch gives M - beta I on the pairs."""
        width = branch[-1].out_channels // 2
        carried = _carried(branch)
        if carried == width:
            product = torch.eye(width, dtype=torch.float64)
            for site in branch[:-1]:
                matrix = draw.orthogonal((site.out_channels // 2, site.in_channels // 2), rng)
                product = matrix @ product
                yield site, looks_linear(matrix)
            lacking = draw.orthogonal((width, width), rng)
            lacking -= scales.beta * torch.eye(width, dtype=torch.float64)
            yield branch[-1], looks_linear(lacking @ product.T / scales.alpha)
            return
        if abs(scales.beta) != 1:
            raise _scaled_skip(branch, carried, scales)
        mirrored = draw.orthogonal((width, carried), rng)
        hidden = [torch.eye(site.out_channels // 2, carried, dtype=torch.float64) for site in branch[:-1]]
        chain = [mirrored, *hidden]
        for site, (before, after) in zip(branch[:-1], pairwise(chain), strict=True):
            yield site, looks_linear(after @ before.T)
        yield branch[-1], looks_linear(-2 * scales.beta / scales.alpha * mirrored @ chain[-1].T)

    def _as_printed(
        self, branch: Sequence[Site], scales: Scales, rng: Generator
    ) -> Iterator[tuple[Site, Tensor]]:
        """Def. 2.9, or App. A.3, to the letter."""
        width = branch[-1].out_channels
        if any(site.out_channels != width for site in branch):
            for site in branch:
                matrix = draw.orthogonal((site.out_channels // 2, site.in_channels // 2), rng)
                yield site, looks_linear(matrix)
            return
        for site in branch[:-1]:
            yield site, torch.eye(width, dtype=torch.float64)
        whole = draw.orthogonal((width // 2, width // 2), rng)
        if self.form == "paper":
            yield branch[-1], looks_linear(whole - torch.eye(width // 2, dtype=torch.float64) / scales.alpha)
        else:
            yield branch[-1], looks_linear(whole) - torch.eye(width, dtype=torch.float64) / scales.alpha


@dataclass(frozen=True)
class Scales:
    r"""What a block multiplies its paths with, :math:`\alpha F(x) + \beta h(x)`, and its form."""

    alpha: float
    beta: float
    preact: bool
    projects_raw: bool

    @classmethod
    def of(cls, site: Site) -> Scales:
        """Read the scales of the block of a site.

        A block that divides by a constant what its branch and its projection see does so to alpha and beta:
        the paths are positively homogeneous.

        Raises:
            Refused: the block does not tell them.
        """
        unit: Any = site.unit
        if not all(hasattr(unit, name) for name in ("alpha", "residual_scale", "skip_scale", "preact")):
            raise Refused(f"the block of {site} does not tell its scales: use model=resnet_b or resnet_c")
        alpha = unit.residual_scale if unit.alpha is None else unit.alpha.item()
        std = getattr(unit, "input_std", 1.0)
        projects = getattr(unit, "shortcut", None) is not None
        return cls(
            alpha=alpha / std,
            beta=unit.skip_scale / (std if projects else 1.0),
            preact=unit.preact,
            projects_raw=unit.preact and getattr(unit, "projects_raw", False),
        )


def _carried(branch: Sequence[Site]) -> int:
    """Number of pairs that pass through every layer of a branch."""
    return min(site.out_channels for site in branch) // 2


def _slots(width: int, carried: int) -> Tensor:
    """Channels of the first pairs: the positive ones, then the negative ones."""
    first = torch.arange(carried)
    return torch.cat([first, first + width // 2])


def _placed(site: Site, rows: Tensor, columns: Tensor, values: Tensor) -> Tensor:
    """A matrix of a layer's size with values at these rows and columns, 0 elsewhere."""
    matrix = torch.zeros(site.out_channels, site.in_channels, dtype=torch.float64)
    matrix[rows[:, None], columns] = values
    return matrix


def _scaled_skip(branch: Sequence[Site], carried: int, scales: Scales) -> Refused:
    return Refused(
        f"the branch of {branch[0]} carries {2 * carried} of {branch[-1].out_channels} channels and the "
        f"others are scaled by {scales.beta:g}: set model.skip_scale=1, or use model=resnet_c"
    )


def _write(site: Site, weight: Tensor) -> None:
    if is_weight_normalized(site.layer) and not bool((row_norm(weight) > 0).all()):
        raise Refused(f"Risotto gives {site} rows of zeros, which weight norm cannot hold: use norm=none")
    set_weight_(site.layer, weight)
    zero_bias_(site)
