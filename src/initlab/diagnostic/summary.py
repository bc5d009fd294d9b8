"""The size of a network: parameters, operations, memory, and the pixels that its features can see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from initlab.diagnostic.base import Batch, Diagnostic
from initlab.diagnostic.checks import check_count, checked_batch, logits_of
from initlab.diagnostic.features import Features
from initlab.diagnostic.layers import layers_of
from initlab.diagnostic.measuring import measuring, run
from initlab.diagnostic.receptive import architectural_field, positions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# In float64 an entry of the Jacobian that is zero comes out as rounding, about 1e-16 of the largest.
BLIND = 1e-12


@dataclass(frozen=True)
class Size:
    """The size of one layer.

    Args:
        layer: dotted module path.
        type: class of the layer.
        parameters: numbers in weight and bias, with those of a reparametrization.
        flops: of one input's forward pass, a multiply-add counted as two.
        activation_bytes: of one input's output; None for a layer that is not called as a module.
        output_shape: of one input.
    """

    layer: str
    type: str
    parameters: int
    flops: int
    activation_bytes: int | None
    output_shape: tuple[int, ...] | None


@dataclass(frozen=True)
class SummaryResult:
    """Sizes of the whole network, then of each layer.

    Args:
        layers: one per layer, as the network lists them.
        parameters: numbers in all parameters; tied ones once.
        trainable_parameters: those that are not frozen.
        flops: of one input's forward pass, a multiply-add counted as two.
        activation_bytes: kept for the backward pass of one input, parameters aside.
        input_pixels: positions of an input: H W of an image, D of a vector.
        receptive_pixels: of them, how many change any feature at this initialization, for any input of the
            batch.
        receptive_pixels_center: how many change the features at the central position.
        receptive_field: side of the window that the architecture lets one feature see, per spatial
            dimension; the whole input where layers mix all positions.
        receptive_field_pixels: pixels in that window, cut to the input.
    """

    layers: tuple[Size, ...]
    parameters: int
    trainable_parameters: int
    flops: int
    activation_bytes: int
    input_pixels: int
    receptive_pixels: int | None
    receptive_pixels_center: int | None
    receptive_field: tuple[int, ...]
    receptive_field_pixels: int

    def metrics(self) -> Mapping[str, float | int | None]:
        """Return ``summary/parameters`` and so on."""
        return {
            "summary/parameters": self.parameters,
            "summary/trainable_parameters": self.trainable_parameters,
            "summary/layers": len(self.layers),
            "summary/flops": self.flops,
            "summary/activation_bytes": self.activation_bytes,
            "summary/input_pixels": self.input_pixels,
            "summary/receptive_pixels": self.receptive_pixels,
            "summary/receptive_pixels_center": self.receptive_pixels_center,
            "summary/receptive_field": max(self.receptive_field),
            "summary/receptive_field_pixels": self.receptive_field_pixels,
        }

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Return one row per layer."""
        shape = ("x".join(map(str, size.output_shape)) if size.output_shape else None for size in self.layers)
        return [asdict(size) | {"output_shape": text} for size, text in zip(self.layers, shape, strict=True)]

    def figure(self) -> Figure:
        """Draw parameters, operations and activation memory along the network."""
        from initlab.diagnostic import figures

        figure, axes = figures.panels(3, width=4.2)
        texts = (
            ("parameters", f"parameters: {self.parameters:,}", figures.BLUE),
            ("flops", f"FLOPs of one input: {self.flops:.3g}", figures.ORANGE),
            (
                "activation_bytes",
                f"output bytes ({self.activation_bytes / 2**20:.3g} MiB kept for backward)",
                figures.GREEN,
            ),
        )
        for ax, (key, title, color) in zip(axes, texts, strict=True):
            heights = [getattr(size, key) or 0 for size in self.layers]
            ax.bar(range(len(heights)), heights, color=color, width=0.8)
            if max(heights) > 0:
                ax.set_yscale("log")
            ax.set_title(title, fontsize=9)
            figures.name_axis(ax, [size.layer for size in self.layers])
        axes[0].set_ylabel("per layer", fontsize=8)
        return figure


@dataclass(frozen=True)
class Summary(Diagnostic):
    """Count parameters, operations, activation memory and receptive pixels.

    Receptive pixels are read off the Jacobian at hand, not off the architecture: a delta-orthogonal network
    whose kernels are zero but at the centre sees one pixel of each stride's window. The Jacobian is
    multiplied from the left by one random vector in float64, which is zero at a pixel only where the whole
    column is.

    Args:
        receptive: whether to look for the receptive pixels, which takes a forward and two backward passes
            in float64.
        max_inputs: most inputs of the batch to look at for them; a pixel counts if it matters for any.
    """

    receptive: bool = True
    max_inputs: int = 4

    def __post_init__(self) -> None:
        check_count("summary.max_inputs", self.max_inputs)

    def __call__(self, model: nn.Module, batch: Batch, generator: Generator) -> SummaryResult:
        """Measure the network on the first inputs of the batch."""
        inputs, _ = checked_batch(model, batch)
        named = layers_of(model)
        parameters = list(model.parameters())
        with measuring(model):
            one = inputs[:1].detach()
            flops, by_module, outputs = _count_operations(model, one, named)
            kept = _bytes_kept(model, one)
            leaf = one.clone().requires_grad_()
            field = architectural_field(Features(model)(leaf.clone()), leaf)
            seen = center = None
            if self.receptive:
                seen, center = _receptive_pixels(model, inputs[: self.max_inputs].detach(), generator)
        extent = positions(inputs)
        return SummaryResult(
            layers=tuple(
                Size(
                    layer=name,
                    type="Linear" if isinstance(layer, nn.Linear) else f"Conv{len(layer.kernel_size)}d",
                    parameters=sum(p.numel() for p in layer.parameters()),
                    flops=by_module.get(name, 0),
                    activation_bytes=outputs.get(name, (None, None))[1],
                    output_shape=outputs.get(name, (None, None))[0],
                )
                for name, layer in named.items()
            ),
            parameters=sum(p.numel() for p in parameters),
            trainable_parameters=sum(p.numel() for p in parameters if p.requires_grad),
            flops=flops,
            activation_bytes=kept,
            input_pixels=prod(extent),
            receptive_pixels=seen,
            receptive_pixels_center=center,
            receptive_field=field,
            receptive_field_pixels=prod(
                min(side, length) for side, length in zip(field, extent, strict=True)
            ),
        )


def _count_operations(
    model: nn.Module, one: Tensor, named: Mapping[str, Any]
) -> tuple[int, dict[str, int], dict[str, tuple[tuple[int, ...], int]]]:
    """Count the operations of one forward pass, in all and per layer, and note each layer's output."""
    outputs: dict[str, tuple[tuple[int, ...], int]] = {}  # shape of one output, and its bytes
    before: dict[str, int] = {}
    by_layer: dict[str, int] = {}
    counter = FlopCounterMode(display=False)
    with ExitStack() as stack:
        for name, layer in named.items():

            def enter(module: nn.Module, args: Any, name: str = name) -> None:
                before[name] = counter.get_total_flops()

            def leave(module: nn.Module, args: Any, output: Any, name: str = name) -> None:
                by_layer[name] = by_layer.get(name, 0) + counter.get_total_flops() - before[name]
                if isinstance(output, Tensor):
                    outputs[name] = (tuple(output.shape[1:]), output.numel() * output.element_size())

            stack.callback(layer.register_forward_pre_hook(enter).remove)
            stack.callback(layer.register_forward_hook(leave).remove)
        stack.enter_context(torch.no_grad())
        stack.enter_context(counter)
        model(one.clone())
    return counter.get_total_flops(), by_layer, outputs


def _bytes_kept(model: nn.Module, one: Tensor) -> int:
    """Count the bytes that autograd keeps for the backward pass of one input, parameters aside."""
    held = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in held:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor  # which keeps the storage alive, so that no address is met twice

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model(one.clone())
    del output
    return sum(storages.values())


def _receptive_pixels(
    model: nn.Module, inputs: Tensor, generator: Generator
) -> tuple[int | None, int | None]:
    """Count the pixels that change any feature, and those that change the features at the centre."""
    leaf = inputs.double().requires_grad_()
    features = logits_of(run(Features(model), leaf.clone(), "float64"))
    probe = torch.randn(features.shape, generator=generator, dtype=torch.float64).to(features.device)
    seen = _pixels_seen(features, leaf, probe)
    if inputs.dim() < 3 or features.dim() != inputs.dim():
        return seen, None
    centre = torch.zeros_like(probe)
    middle = [slice(length // 2, length // 2 + 1) for length in features.shape[2:]]
    where = (slice(None), slice(None), *middle)
    centre[where] = probe[where]
    return seen, _pixels_seen(features, leaf, centre)


def _pixels_seen(features: Tensor, leaf: Tensor, probe: Tensor) -> int | None:
    """Count the pixels whose entry of ``probe @ J`` is not zero for some input; None if not finite."""
    if not features.requires_grad:
        return 0
    (gradient,) = torch.autograd.grad(features, leaf, probe, retain_graph=True, allow_unused=True)
    if gradient is None:
        return 0
    influence = gradient.abs().flatten(2).amax(1) if gradient.dim() > 2 else gradient.abs()
    if not bool(torch.isfinite(influence).all()):
        return None
    return int((influence > BLIND * influence.amax(1, keepdim=True)).any(0).sum())
