r"""The blocks of each sample's Hessian, measured: :math:`E[(G_l r)^2]` and :math:`E[(G_{ij} r_j)^2]`.

For an r of independent entries with variance 1 they are the average squared singular value of a block
(Defazio & Bottou, Sec. 3.1 and Fig. 1), times the number of its columns over rows off the diagonal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from initlab.diagnostic.layer_tape import Passage, apply_weight, weight_gradient_moment
from initlab.diagnostic.objective import SampleLoss
from initlab.site import Site


def diagonal_block_moment(passage: Passage, gradient: Tensor, direction: Tensor) -> float:
    r"""Sum the squares of :math:`G_l r` of each sample, over samples and elements of the weight.

    A layer is linear in its weight, so with the layer's input held the block of sample n is exactly
    :math:`G = J_n^T R_n J_n`, with :math:`R_n` the Hessian of the loss with respect to the layer's output
    (App. A.1). Samples do not meet above the layer, so one product with the batch's R serves them all.

    Args:
        passage: through the layer.
        gradient: of the summed loss with respect to ``passage.outputs``, with its graph.
        direction: r, of the weight's shape.
    """
    if not gradient.requires_grad:  # the loss is linear in this output
        return 0.0
    with torch.no_grad():
        step = apply_weight(passage.site, passage.inputs, direction)
    (curvature,) = torch.autograd.grad(
        gradient, passage.outputs, step, retain_graph=True, materialize_grads=True
    )
    return weight_gradient_moment(passage.site, passage.inputs, curvature)


def block_moments(
    model: nn.Module,
    sites: Sequence[Site],
    inputs: Tensor,
    labels: Tensor,
    loss: SampleLoss,
    directions: Mapping[str, Tensor],
) -> Tensor:
    r"""Return :math:`E[(G_{ij} r_j)^2]` over samples and elements, ``(layers, layers)`` in float64.

    One product of a sample's Hessian with :math:`r_j` gives all blocks of column j. Of a reparametrized
    layer the weight is the variable, not what it is made of.
    """
    total = torch.zeros(len(sites), len(sites), dtype=torch.float64)
    for x, label in zip(inputs.split(1), labels.split(1), strict=True):
        with parametrize.cached(), torch.enable_grad():
            weights = [site.layer.weight for site in sites]
            value = loss(model(x), label).sum()
            gradients = torch.autograd.grad(value, weights, create_graph=True, materialize_grads=True)
        for column, (site, gradient) in enumerate(zip(sites, gradients, strict=True)):
            if not gradient.requires_grad:
                continue
            images = torch.autograd.grad(
                gradient, weights, directions[site.name], retain_graph=True, materialize_grads=True
            )
            for row, image in enumerate(images):
                total[row, column] += float(image.double().square().mean())
    return total / len(inputs)
