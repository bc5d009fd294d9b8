"""GR scaling, how well each layer's block of the Hessian is conditioned: Defazio & Bottou, Sec. 3 to 5."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor, nn

from initlab.diagnostic.base import Batch, Diagnostic
from initlab.diagnostic.checks import check_count, checked_batch
from initlab.diagnostic.gr_blocks import block_moments, diagonal_block_moment
from initlab.diagnostic.gr_measurement import GrScalingMeasurement, LayerScaling
from initlab.diagnostic.layer_tape import (
    Passage,
    forward_passages,
    positions,
    weight_gradient_moment,
    weight_parameters,
)
from initlab.diagnostic.measuring import measuring
from initlab.diagnostic.objective import LossName, SampleLoss, check_loss, sample_loss
from initlab.errors import ConfigError, Refused
from initlab.site import Site, sites_of


@dataclass(frozen=True)
class GrScaling(Diagnostic):
    r"""GR scaling of every linear and convolutional layer, beside the quantities that it predicts.

    .. math::
        \gamma_l = n_{in} k^2 \rho^2 E[x^2]^2 \frac{E[\Delta y^2]}{E[y^2]}, \qquad
        \gamma^b_l = \rho^2 \frac{E[\Delta y^2]}{E[y^2]}, \qquad \nu_l = \frac{E[\Delta W^2]}{E[W^2]}

    with x and y the layer's own input and output, :math:`\rho^2` its output pixels (or tokens), E the mean
    square over samples and elements, and gradients those of each sample's own loss. :math:`\gamma_l`
    predicts the average squared singular value :math:`E[(G_l r)^2]` of the block of each sample's Hessian
    (Prop. 3) and equals :math:`\nu_l` (Prop. 4) in a randomly initialized network of ReLU and linear layers.

    A multiplier alpha in the forward pass needs no term of its own: seen from the layer itself, either x has
    alpha in it, or y lacks it and :math:`\Delta y` has it, and :math:`\alpha^4` comes out in both cases.
    Of a reparametrized layer, W is the effective weight. Norm layers are in evaluation mode, so that samples
    do not meet.

    Differs from the paper: its factor b, the batch size, is 1, and the bias formula of Eq. 1 then agrees with
    that of the weight. A batch's Hessian is coherent over its samples, and Eq. 1 with b matches only the mean
    over per-sample Hessians: ``docs/errata.md``.

    Args:
        loss: ``cross_entropy``, or ``random_quadratic``: ``y^T R y`` with R random normal (Fig. 2).
        num_samples: use the first so many of the batch; None for all.
        chunk_size: samples per forward pass; sets the memory, not the result.
        actual_samples: measure :math:`E[(G_l r)^2]` on the first so many of these, which costs one second
            backward pass per layer, through all above it; None for all, 0 for none.
        heat_map: also measure every block, :math:`E[(G_{ij} r_j)^2]` (Fig. 1), on the same samples: one
            Hessian-vector product per layer and sample.
    """

    loss: LossName = "cross_entropy"
    num_samples: int | None = 32
    chunk_size: int = 16
    actual_samples: int | None = 1
    heat_map: bool = False

    def __post_init__(self) -> None:
        check_loss(self.loss)
        check_count("gr_scaling.num_samples", self.num_samples, null="for all")
        check_count("gr_scaling.chunk_size", self.chunk_size)
        check_count("gr_scaling.actual_samples", self.actual_samples, least=0, null="for all")
        if self.heat_map and self.actual_samples == 0:
            raise ConfigError("gr_scaling.actual_samples=0: must be at least 1 for the heat map")

    def __call__(self, model: nn.Module, batch: Batch, generator: Generator) -> GrScalingMeasurement:
        """Measure the GR scaling of ``model`` at its present parameters.

        Raises:
            Refused: the batch holds NaN or inf, no layer is trainable, two layers share a weight, or a layer
                is used twice in one pass.
        """
        inputs, labels = checked_batch(model, batch, self.num_samples, tokens=True)
        sites, left_out = measurable_sites(model)
        with measuring(model):
            with torch.no_grad():
                num_outputs = model(inputs[:1]).numel()
            loss = sample_loss(self.loss, num_outputs, generator)
            directions = {
                site.name: torch.randn(site.shape, generator=generator, dtype=torch.float64).to(inputs)
                for site in sites
            }
            sums = {site.name: _Sums(site) for site in sites}
            for x, label in self._chunks(inputs, labels):
                for passage, gradient in _gradients(model, sites, x, label, loss, create_graph=False):
                    sums[passage.site.name].add(passage, gradient, len(x))
            few, their_labels = inputs[: self.actual_samples], labels[: self.actual_samples]
            for x, label in self._chunks(few, their_labels):
                for passage, gradient in _gradients(model, sites, x, label, loss, create_graph=True):
                    squares = diagonal_block_moment(passage, gradient, directions[passage.site.name])
                    sums[passage.site.name].actual += squares / len(few)
            unused = [site for site in sites if not sums[site.name].num_samples]
            sites = [site for site in sites if sums[site.name].num_samples]
            left_out += [f"{site} is not used in the forward pass" for site in unused]
            heat_map = None
            if self.heat_map:
                heat_map = block_moments(model, sites, few, their_labels, loss, directions).tolist()
        return GrScalingMeasurement(
            tuple(sums[site.name].scaling(self.actual_samples != 0) for site in sites),
            tuple(left_out),
            None if heat_map is None else tuple(map(tuple, heat_map)),
        )

    def _chunks(self, inputs: Tensor, labels: Tensor) -> Iterator[Batch]:
        """Cut the samples into chunks; none, if there are none."""
        if len(inputs):
            yield from zip(inputs.split(self.chunk_size), labels.split(self.chunk_size), strict=True)


def _gradients(
    model: nn.Module,
    sites: Sequence[Site],
    inputs: Tensor,
    labels: Tensor,
    loss: SampleLoss,
    create_graph: bool,
) -> Iterator[tuple[Passage, Tensor]]:
    """Give each passage with the gradient of each sample's own loss with respect to its outputs."""
    outputs, passages = forward_passages(model, sites, inputs)
    ends = [passage.outputs for passage in passages.values()]
    with torch.enable_grad():
        # Samples do not meet, so the gradient of the sum holds that of each.
        total = loss(outputs, labels).sum()
        gradients = torch.autograd.grad(total, ends, create_graph=create_graph, materialize_grads=True)
    yield from zip(passages.values(), gradients, strict=True)


@dataclass
class _Sums:
    """Sums of squares of one layer, over the samples so far."""

    site: Site
    num_samples: int = 0
    positions: int = 1
    inputs: list[float] = field(default_factory=lambda: [0.0, 0.0])  # sum and count
    outputs: list[float] = field(default_factory=lambda: [0.0, 0.0])
    gradients: list[float] = field(default_factory=lambda: [0.0, 0.0])
    weight_gradient: float = 0.0
    actual: float = 0.0  # already the mean over its samples

    def add(self, passage: Passage, gradient: Tensor, num_samples: int) -> None:
        self.positions = positions(self.site, passage.inputs, gradient, num_samples)
        self.num_samples += num_samples
        pairs = ((self.inputs, passage.inputs), (self.outputs, passage.outputs), (self.gradients, gradient))
        for pair, tensor in pairs:
            pair[0] += float(tensor.detach().square().sum(dtype=torch.float64))
            pair[1] += tensor.numel()
        self.weight_gradient += weight_gradient_moment(self.site, passage.inputs, gradient)

    def scaling(self, actual: bool) -> LayerScaling:
        x, y, dy = (total / count for total, count in (self.inputs, self.outputs, self.gradients))
        weight = self.site.layer.weight.detach()
        per_element = 1 / (self.num_samples * weight.numel())
        bias = _ratio(self.positions * dy, y)
        return LayerScaling(
            layer=self.site.name,
            fan_in=self.site.fan_in,
            positions=self.positions,
            input_moment=x,
            output_moment=y,
            gradient_moment=dy,
            weight=_ratio(self.site.fan_in * self.positions * x**2 * dy, y),
            bias=bias if self.site.layer.bias is not None else None,
            weight_to_gradient=_ratio(
                self.weight_gradient * per_element, float(weight.square().mean(dtype=torch.float64))
            ),
            actual=self.actual / weight.numel() if actual else None,
        )


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator > 0 else None


def measurable_sites(model: nn.Module) -> tuple[list[Site], list[str]]:
    """Return the sites with a trainable weight, and a sentence on each of the others.

    Raises:
        Refused: there is no trainable site, or two sites share a parameter.
    """
    sites: list[Site] = []
    left_out: list[str] = []
    owners: dict[int, Site] = {}
    for site in sites_of(model):
        parameters = weight_parameters(site)
        if not any(parameter.requires_grad for parameter in parameters):
            left_out.append(f"{site} is frozen")
            continue
        for parameter in parameters:
            other = owners.setdefault(id(parameter), site)
            if other is not site:
                raise Refused(f"{other} and {site} share a weight: the GR scaling has one use of it in mind")
        sites.append(site)
    if not sites:
        raise Refused(f"{type(model).__name__} has no trainable Linear or Conv layer to measure")
    return sites, left_out
