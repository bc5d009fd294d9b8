"""Preconditioned networks: Defazio & Bottou, Sec. 5, 6.3, 6.4 and App. E."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import ClassVar, Literal

import torch
from torch import Generator, Tensor, nn

from initlab.errors import ConfigError, Refused
from initlab.init.base import Batch, zero_bias_
from initlab.init.geometric import Geometric
from initlab.init.second_moment import fixed_scale, outputs_of, set_output_std_
from initlab.norm.base import set_weight_
from initlab.norm.scaled import scale_of
from initlab.site import Role, Site

BetaForm = Literal["corrected", "paper", "none"]
InputMoment = Literal["data", "paper", "balanced"]


@dataclass(frozen=True)
class Preconditioned(Geometric):
    r"""Geometric weights divided by fixed multipliers alpha that stay in the forward pass.

    A layer computes :math:`y = \alpha W x + b` with
    :math:`E[W^2] = c / (\alpha^2 k^2 \sqrt{n_\mathrm{in} n_\mathrm{out}})`: the network's function does not
    depend on alpha, and the GR scaling of the layer is multiplied by :math:`\alpha^4`. Here

    .. math:: \alpha_l^2 = q_l / k_l

    with :math:`k^2` the number of kernel taps (Sec. 5) and q = 1 in networks without residual blocks. In
    those with blocks :math:`z = \mathrm{relu}(s F(x) + t h(x))`, h the identity or a projection, let p be the
    share of the branch in the second moment of the sum: :math:`p = s^2 / (s^2 + t^2)` where F(x) and h(x)
    have one second moment (:func:`block_scale`). Then (App. E)

    - branch layers: :math:`q = 1 / \beta^2`, beta of :func:`residual_betas`, 1 in the first block;
    - first layer and head: q = p of the first block and :math:`q = p / \beta^2` of the last;
    - projections on the skip connection: :math:`q = p / ((1 - p) \beta^2)`.

    Blocks are told apart by the ``unit`` of their sites; s is the unit's ``residual_scale`` and t its
    ``skip_scale``, 1 where it has none. The theory ignores the ReLU after the addition, and average
    pooling in front of linear layers leaves these above the convolutions by the factor that pooling
    ReLU features gives (about 40 in the strided AlexNet), since alpha mends kernels and blocks alone.

    Differs from the paper: its recursion for beta is wrong (``beta=paper``), and the head's :math:`p k` holds
    for beta = 1 only. It takes F(x) and x to have one second moment, but with c = 2 a branch that ends
    without a ReLU has twice that of its input, so :math:`p = 2 s^2 / (2 s^2 + t^2)` for identity skips.
    Projections, and layers between blocks (treated like the first layer), follow from the same
    calculation and are not in its text.

    Args:
        c: the constant in the geometric formula.
        output_std: standard deviation of the logits over one batch, reached through the network's fixed
            ``output_scale``; null leaves the logits alone.
        beta: ``corrected``; ``paper``, App. E as printed; ``none``, all q = 1, kernel sizes alone.
        input_moment: ``data`` leaves the inputs as they come (the paper's experiments). ``paper`` sets the
            network's fixed ``input_scale`` so that the batch has
            :math:`E[x_0^2] = 1 / \sqrt{n_\mathrm{in} k^2}` at the first layer (Sec. 6.3). ``balanced``
            divides that by the first layer's :math:`\alpha^2`, without which the GR scaling of its
            weights and biases is equal for alpha = 1 only.
    """

    formula: ClassVar[str] = (
        "y = α W x + b, E[W²] = c / (α² k² √(n_in n_out)), α² = q/k, q from s, t, β of the blocks"
    )
    held_by: ClassVar[str] = "test_the_gr_scaling_of_a_layer_moves_by_alpha_to_the_fourth"

    output_std: float | None = 0.05
    beta: BetaForm = "corrected"
    input_moment: InputMoment = "data"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta not in ("corrected", "paper", "none"):
            raise ConfigError(f"init.beta={self.beta}: must be corrected, paper or none")
        if self.input_moment not in ("data", "paper", "balanced"):
            raise ConfigError(f"init.input_moment={self.input_moment}: must be data, paper or balanced")
        if self.input_moment != "data":
            object.__setattr__(self, "needs_batch", True)

    def set_sites_(
        self, sites: Sequence[Site], model: nn.Module, generator: Generator, batch: Batch | None
    ) -> None:
        """Set weight, bias and multiplier of every site, then the scales of input and output.

        Raises:
            Refused: a layer has no multiplier, or the network no scale that an option asks for.
        """
        scaled = [scale_of(model, site) for site in sites]
        for site, layer in zip(sites, scaled, strict=True):
            if layer is None:
                raise Refused(
                    f"Preconditioned multiplies {site} by a fixed number and the network keeps none for it: "
                    "build the model with model.layer_scales=true, on a network with that option, such as "
                    "mlp or resnet_c"
                )
        if self.output_std is not None:
            fixed_scale(model, "output_scale", "init.output_std")
        alphas = layer_alphas(sites, self.beta, self.c)
        for site, layer, alpha in zip(sites, scaled, alphas, strict=True):
            assert layer is not None
            layer.scale.fill_(alpha)
            set_weight_(site.layer, self.weight(site, generator) / alpha)
            zero_bias_(site)
        if self.input_moment != "data":
            assert batch is not None
            alpha = alphas[0] if self.input_moment == "balanced" else 1.0
            set_input_moment_(model, batch, balanced_input_moment(sites[0], alpha))
        if self.output_std is not None:
            assert batch is not None
            set_output_std_(model, batch, self.output_std)


def residual_betas(scales: Sequence[float], form: BetaForm = "corrected") -> list[float]:
    r"""Return :math:`\beta_l` of a chain of blocks :math:`z = \mathrm{relu}(s_l F(x) + x)`.

    The branch layers of block l are multiplied by :math:`1 / \beta_l`, 1 in the first. With ``corrected``

    .. math:: \beta_l^2 = \beta_{l-1}^2\, \frac{s_l^2 / (1 + s_l^2)}{s_{l-1}^2 / (1 + s_{l-1}^2)} .

    ``paper`` is App. E as printed, :math:`\beta_l^2 = \beta_{l-1}^2 (1 + s_l^2) / (1 + s_{l-1}^2)`, which
    leaves s = (1, .8, .5, .3, .6) with relative GR scalings 1, .87, .41, .09, .60; ``none`` is all ones.

    Args:
        scales: s of each block, in order; for a skip connection scaled by t give s / t.
        form: ``corrected``, ``paper`` or ``none``.
    """

    def factor(s: float) -> float:
        if form == "none":
            return 1.0
        return 1 + s**2 if form == "paper" else branch_share(s)

    betas = [1.0] * min(len(scales), 1)
    for before, after in pairwise(scales):
        betas.append(betas[-1] * (factor(after) / factor(before)) ** 0.5)
    return betas


def branch_share(scale: float) -> float:
    """Return the share of the branch in the second moment of ``scale * F(x) + x``, between 0 and 1."""
    return scale**2 / (1 + scale**2)


def layer_alphas(sites: Sequence[Site], beta: BetaForm = "corrected", c: float = 2.0) -> list[float]:
    """Return the multiplier alpha of every site, see :class:`Preconditioned`.

    Raises:
        Refused: a residual block has a branch or a skip connection scaled by 0, or divides its input.
    """
    blocks: dict[int, list[Site]] = {}
    for site in sites:
        if site.unit is not None and beta != "none":
            blocks.setdefault(id(site.unit), []).append(site)
    scales = {unit: block_scale(block, c if beta == "corrected" else None) for unit, block in blocks.items()}
    betas = dict(zip(blocks, residual_betas(list(scales.values()), beta), strict=True))
    shares = [branch_share(scale) for scale in scales.values()]
    alphas = []
    passed = False  # whether a residual block lies behind
    for site in sites:
        q = 1.0
        if blocks and site.unit is None:
            # p / beta^2 is the same in all blocks, and beta is 1 in the first; the paper's head has p alone.
            q = shares[-1] if passed and beta == "paper" else shares[0]
        elif blocks:
            passed = True
            q = betas[id(site.unit)] ** -2
            if site.role is Role.SHORTCUT:
                q *= scales[id(site.unit)] ** 2  # p / (1 - p)
        alphas.append((q / kernel_side(site)) ** 0.5)
    return alphas


def kernel_side(site: Site) -> float:
    """Return k, with k^2 the number of kernel taps; 1 for a linear layer."""
    return prod(site.kernel_size) ** 0.5


def block_scale(block: Sequence[Site], c: float | None) -> float:
    r"""Return s of a block as if it were :math:`z = s F(x) + x` with F and x of one second moment.

    That is ``residual_scale / skip_scale`` times the root of :math:`E[F(x)^2] / E[h(x)^2]`, h the identity or
    the projection. Geometric layers multiply the second moment by c, and a ReLU halves it; what the widths
    do is the same on both ways.

    Args:
        block: the sites of the block.
        c: the constant of the geometric formula; None takes the ratio of second moments as 1.
    """
    unit = block[0].unit
    residual, skip = (
        abs(float(torch.as_tensor(getattr(unit, name, 1.0)).detach()))
        for name in ("residual_scale", "skip_scale")
    )
    if residual == 0 or skip == 0:
        zero = "residual_scale" if residual == 0 else "skip_scale"
        raise Refused(f"Preconditioned cannot balance the block of {block[0]}: its {zero} is 0")
    if getattr(unit, "input_std", 1.0) != 1:
        raise Refused(
            f"Preconditioned cannot balance the block of {block[0]}: its branch sees a divided input; "
            "build the model with model.scale_branch_input=false"
        )
    if c is None:
        return residual / skip
    gain = prod(moment_gain(site, c) for site in block if site.role is Role.BRANCH)
    gain /= prod(moment_gain(site, c) for site in block if site.role is Role.SHORTCUT)
    projects = any(site.role is Role.SHORTCUT for site in block)
    if getattr(unit, "preact", False) and (not projects or getattr(unit, "projects_raw", False)):
        gain /= 2  # the branch sees relu(z), the skip z
    return residual / skip * gain**0.5


def moment_gain(site: Site, c: float) -> float:
    """Return what a geometric layer, with its ReLU if any, does to the second moment, widths aside."""
    if site.relu is None:
        return 1.0
    return c / 2 if site.relu else c


def balanced_input_moment(site: Site, alpha: float = 1.0) -> float:
    r"""Return :math:`1 / (\alpha^2 \sqrt{n_\mathrm{in} k^2})`, the input's balance of weights and biases."""
    return 1 / (alpha**2 * site.fan_in**0.5)


@torch.no_grad()
def set_input_moment_(model: nn.Module, batch: Batch, moment: float) -> None:
    """Set ``model.input_scale`` so that its output has that second moment on the batch.

    Raises:
        Refused: the network has no ``input_scale``, or the inputs are all 0 or not finite.
    """
    scale = fixed_scale(model, "input_scale", "init.input_moment")
    scale.reset_parameters()
    seen: list[Tensor] = []
    handle = scale.register_forward_hook(lambda module, args, output: seen.append(output))
    try:
        outputs_of(model, batch)
    finally:
        handle.remove()
    found = float(seen[0].double().square().mean())
    if not 0 < found < float("inf"):
        raise Refused(f"init.input_moment: the inputs of the batch have second moment {found}")
    scale.scale.fill_((moment / found) ** 0.5)
