"""What a normalization is to a network, and the only two ways to write a weight.

A norm does up to three things to a network: it may reparametrize a layer (:meth:`Norm.wrap`), put a module on
the activations of every layer (:meth:`Norm.activation`), or put one at a single place of the whole network
(:meth:`Norm.placement`). Networks ask for all of them and know no norm by name.

``nn.init.orthogonal_(layer.weight)`` on a reparametrized layer silently changes nothing, because
``layer.weight`` is then a fresh tensor: write through :func:`set_weight_` and :func:`set_gain_`.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from initlab.errors import Refused
from initlab.norm.row_norm import normalize_rows, row_norm

Place = Literal["first", "middle", "last"]


class Norm:
    """No normalization; the base of all others."""

    def wrap(self, layer: nn.Module) -> nn.Module:
        """Reparametrize one linear or convolutional layer in place and return it."""
        return layer

    def activation(self, num_features: int, spatial: bool = True) -> nn.Module | None:
        """Make the module that normalizes ``(N, C, H, W)`` or ``(N, C)`` activations, or None for none."""
        return None

    def placement(self, place: Place, num_features: int, spatial: bool = True) -> nn.Module | None:
        """Make the module that normalizes the activations at one place of the network, or None for none.

        A residual network asks once for each place and runs what it gets there: ``first``, on the output of
        the stem's convolution, before its ReLU and the blocks; ``middle``, on the output of block number
        ``total // 2`` (counted from 1 over all stages, at least the first); ``last``, on the output of the
        last residual block, before pooling. A plain network has hidden layers in the place of blocks, and
        runs what it gets before their ReLUs.
        """
        return None


class RowNorm(nn.Module):
    r"""The reparametrization :math:`W = g\, v / \lVert v \rVert`, row by row, exact in every order.

    Rows are output units: the norm runs over all dimensions but the first. The parameters are ``original0``
    = g, shape ``(out, 1, ...)``, and ``original1`` = v, shape ``(out, in, ...)``, the names that torch's own
    weight norm uses.
    """

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        """Return the weight, of the shape of ``v``."""
        return normalize_rows(g, v)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Split a weight into its row norms and itself."""
        return row_norm(weight), weight

    def refusal(self, weight: Tensor) -> str | None:
        """Say why ``weight`` cannot be written, or None."""
        return (
            None if bool((row_norm(weight) > 0).all()) else "weight norm has no direction for a row of zeros"
        )


def parametrization(layer: nn.Module) -> Any:
    """Return torch's list of parametrizations of the weight, or None for a plain layer."""
    lists: Any = getattr(layer, "parametrizations", {})
    return lists["weight"] if "weight" in lists else None  # noqa: SIM401  (a ModuleDict has no get)


def describe(layer: nn.Module) -> str:
    """Name a layer in one line, reparametrized or not."""
    return f"{type(layer).__name__.removeprefix('Parametrized')}({layer.extra_repr()})"


def is_weight_normalized(layer: nn.Module) -> bool:
    """Whether the layer's weight is ``g v / ||v||``."""
    return any(isinstance(module, RowNorm) for module in parametrization(layer) or ())


@torch.no_grad()
def set_weight_(layer: nn.Module, weight: Tensor) -> None:
    """Write ``weight``, of the weight's shape, whatever the layer's parametrization.

    It becomes the effective weight of a plain layer, and of a weight-normalized one, whose v becomes
    ``weight`` and g its row norms. On a weight-standardized layer it becomes the raw weight: the effective
    weight is the standardized one, which does not depend on the scale and the row means of ``weight``.

    Raises:
        Refused: a row has no direction: zeros on a weight-normalized layer, equal entries on a
            weight-standardized one; or the weight is made of other parameters by something else.
        ValueError: ``weight`` has another shape.
    """
    for module in parametrization(layer) or ():
        if not hasattr(module, "refusal"):
            raise Refused(_foreign(layer, f"the parametrization {type(module).__name__}"))
        refusal = module.refusal(weight)
        if refusal is not None:
            raise Refused(f"{refusal} in {describe(layer)}")
    if parametrization(layer) is None:
        assert isinstance(layer.weight, Tensor)
        if not isinstance(layer.weight, nn.Parameter):  # what is written there is lost at the next pass
            raise Refused(_foreign(layer, "a hook, as torch.nn.utils.weight_norm adds one"))
        if weight.shape != layer.weight.shape:
            given, wanted = tuple(weight.shape), tuple(layer.weight.shape)
            raise ValueError(f"a weight of shape {given} for {describe(layer)}, which has {wanted}")
        layer.weight.copy_(weight)
    else:
        reference = next(parametrization(layer).parameters())
        # torch runs each right_inverse and shares storage with what it returns: give it a copy.
        layer.weight = weight.to(reference, copy=True, memory_format=torch.contiguous_format)


def _foreign(layer: nn.Module, maker: str) -> str:
    return (
        f"the weight of {describe(layer)} is computed by {maker}: take that away, and wrap the layer with "
        "initlab.norm.weight.Weight().wrap(layer) for weight norm"
    )


@torch.no_grad()
def set_gain_(layer: nn.Module, gain: Tensor | float) -> None:
    """Set g of a weight-normalized layer: a number, or one per output unit, shape ``(out,)``.

    Raises:
        Refused: the layer is not weight-normalized.
    """
    if not is_weight_normalized(layer):
        raise Refused(f"{describe(layer)} has no gain: build the model with norm=weight")
    g = parametrization(layer).original0
    values = torch.as_tensor(gain, dtype=g.dtype, device=g.device)
    g.copy_(values.reshape(-1, *[1] * (g.dim() - 1)).expand_as(g))


def gain_of(layer: nn.Module) -> Tensor:
    """Return g of a weight-normalized layer, shape ``(out,)``.

    Raises:
        Refused: the layer is not weight-normalized.
    """
    if not is_weight_normalized(layer):
        raise Refused(f"{describe(layer)} has no gain: build the model with norm=weight")
    gain: Tensor = parametrization(layer).original0
    return gain.flatten()
