"""What the diagnostics share: the layers and blocks of any module, and reading what passes through them.

Nothing here changes a module for good: :func:`measuring` puts back modes, buffers and the global random
state, and :func:`watch` removes its hooks, also when the forward pass fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import UninitializedParameter
from torch.overrides import TorchFunctionMode

from initlab.errors import ConfigError, InitlabError
from initlab.site import LAYERS, Role, sites_of

T = TypeVar("T")
Kind = Literal["layer", "block"]
Precision = Literal["model", "float64"]
Statistics = Literal["running", "batch"]

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
# Layers with weights that sites_of does not list: a measurement "of every layer" would silently miss them.
UNSUPPORTED = (
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Bilinear,
    nn.Embedding,
    nn.EmbeddingBag,
    nn.RNNBase,
    nn.RNNCellBase,
)


def _functions(names: str) -> frozenset[Any]:
    """Collect the callables of these names, in place or not, that torch dispatches on."""
    spaces = (F, torch, Tensor)
    found = (
        getattr(space, name + end, None) for space in spaces for name in names.split() for end in ("", "_")
    )
    return frozenset(function for function in found if function is not None)


ACTIVATIONS = _functions(
    "relu relu6 leaky_relu prelu elu selu celu gelu silu mish softplus softsign tanh sigmoid"
    " hardswish hardtanh hardsigmoid logsigmoid"
)
NORMS = _functions("batch_norm layer_norm group_norm instance_norm rms_norm dropout")
ARITHMETIC = _functions(
    "add sub mul div __add__ __radd__ __iadd__ __sub__ __mul__ __rmul__ __imul__ __truediv__"
)


# ---------------------------------------------------------------------------------------------------------
# Checks


def check_inputs(inputs: Tensor) -> None:
    """Refuse a batch of inputs that no measurement can be made on.

    Raises:
        InitlabError: the batch is empty, not of floating point, or holds NaN or infinity.
    """
    if inputs.dim() < 2 or inputs.numel() == 0:
        raise InitlabError(f"batch inputs have shape {tuple(inputs.shape)}: must be (N, ...) with N >= 1")
    if not inputs.is_floating_point():
        raise InitlabError(f"batch inputs are {inputs.dtype}: must be of floating point")
    if not bool(torch.isfinite(inputs).all()):
        raise InitlabError("batch inputs hold NaN or infinity: a measurement on them means nothing")


def check_labels(labels: Tensor, logits: Tensor) -> None:
    """Refuse labels that do not fit the logits, ``(N, num_classes)``.

    Raises:
        InitlabError: the output is not ``(N, num_classes)``, or the labels are not N classes of it.
    """
    if logits.dim() != 2:
        raise InitlabError(f"the model's output has shape {tuple(logits.shape)}: must be (N, num_classes)")
    if labels.shape != logits.shape[:1] or labels.is_floating_point():
        raise InitlabError(
            f"batch labels are {labels.dtype} of shape {tuple(labels.shape)}: must be N integers"
        )
    if not bool(((labels >= 0) & (labels < logits.shape[1])).all()):
        raise InitlabError(f"batch labels reach outside 0..{logits.shape[1] - 1}, the model's classes")


def check_choice(key: str, value: object, choices: Sequence[object]) -> None:
    """Refuse an argument that is none of its choices."""
    if value not in choices:
        raise ConfigError(f"{key}={value}: must be {' or '.join(map(str, choices))}")


def check_count(key: str, value: object, least: int = 1) -> None:
    """Refuse an argument that is no whole number of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{key}={value}: must be a whole number of at least {least}")


# ---------------------------------------------------------------------------------------------------------
# Names


def layers_of(model: nn.Module) -> dict[str, Any]:
    """Name the linear and convolutional layers of a module, as its sites list them.

    Raises:
        InitlabError: there are none, or the module has a kind of layer that no site can describe.
    """
    for name, module in model.named_modules():
        if isinstance(module, UNSUPPORTED):
            raise InitlabError(f"{name or 'the model'} is a {type(module).__name__}, which is not supported")
        if any(isinstance(p, UninitializedParameter) for p in module.parameters(recurse=False)):
            raise InitlabError(f"{name or 'the model'} has no shape yet: run the model on one batch before")
    names = {id(module): name for name, module in model.named_modules()}
    found = {names[id(site.layer)]: site.layer for site in sites_of(model)}
    if not found:
        raise InitlabError(f"{type(model).__name__} has no Linear or Conv layer to measure")
    return found


def blocks_of(model: nn.Module) -> dict[str, nn.Module]:
    """Name the residual blocks of a module.

    A network with ``sites()`` names them as the sites' units. In any other module a block is an element of
    a container (Sequential, ModuleList, ModuleDict) that holds layers, is neither a layer nor a container
    itself, and is no stage, that is, does not in turn contain two or more such elements.
    """
    names = {id(module): name for name, module in model.named_modules()}
    if callable(getattr(model, "sites", None)):
        units = [site.unit for site in sites_of(model) if site.unit is not None]
        return {names[id(unit)]: unit for unit in units}
    return {names[id(block)]: block for block in _blocks_in(model, is_element=False)}


def _blocks_in(module: nn.Module, is_element: bool) -> list[nn.Module]:
    """List the blocks in a module, itself among them if it is an element of a container."""
    if isinstance(module, LAYERS):
        return []
    is_container = isinstance(module, CONTAINERS)
    inner = [block for child in module.children() for block in _blocks_in(child, is_container)]
    if is_element and not is_container and len(inner) < 2:
        return [module] if any(isinstance(part, LAYERS) for part in module.modules()) else []
    return inner


def head_of(model: nn.Module) -> nn.Module | None:
    """Return the layer with role HEAD, or None where the network does not say."""
    return next((site.layer for site in sites_of(model) if site.role is Role.HEAD), None)


# ---------------------------------------------------------------------------------------------------------
# Running a module without leaving a trace


@contextmanager
def measuring(model: nn.Module, statistics: Statistics = "running") -> Iterator[None]:
    """Put the module in evaluation mode, and everything back on leaving.

    Put back are the mode of each submodule, every buffer and torch's global random state. Gradients are
    enabled inside, whatever the caller's mode, and attention runs in plain operations, which can be
    differentiated in every way.

    Args:
        model: any module.
        statistics: of batch normalization: ``running``, with which inputs do not see each other, or
            ``batch``, those of the batch at hand, as in training.
    """
    modes = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    devices = sorted({p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"})
    try:
        model.eval()
        if statistics == "batch":
            for module in model.modules():
                if isinstance(module, _BatchNorm):
                    module.train()
        with torch.random.fork_rng(devices), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        for module, training in modes:
            module.training = training
        for module, name, buffer, value in buffers:
            module._buffers[name] = buffer
            if not torch.equal(buffer, value):  # batch norm writes without counting a version
                with torch.no_grad():
                    buffer.copy_(value)


def refuse_coupled_samples(model: nn.Module) -> None:
    """Refuse a module in which one input changes another's output even in evaluation mode.

    Raises:
        InitlabError: naming the batch normalization that keeps no running statistics.
    """
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise InitlabError(f"{name} keeps no running statistics, so inputs see each other in every mode")


def run(module: nn.Module, inputs: Tensor, precision: Precision = "model") -> Any:
    """Call a module, with its own numbers or with float64 copies of its parameters and buffers."""
    if precision == "model":
        return module(inputs)
    held = [*module.named_parameters(), *module.named_buffers()]
    tensors = {name: t.detach().double() if t.is_floating_point() else t for name, t in held}
    return functional_call(module, tensors, (inputs.double(),))


def logits_of(output: Any) -> Tensor:
    """Return the output of a model, or say that it is not a tensor."""
    if not isinstance(output, Tensor):
        raise InitlabError(f"the model returns {type(output).__name__}: must be one tensor of logits")
    return output


# ---------------------------------------------------------------------------------------------------------
# Reading what passes


@dataclass
class Reading(Generic[T]):
    """What was measured at one layer or block.

    Args:
        name: dotted module path; the second call of a layer in one pass gets ``@2``.
        kind: ``layer`` or ``block``.
        module: the layer or block.
        pre: measured on the pre-activation: what enters the activation that ends the block or directly
            follows the layer (a normalization, or a scalar or per-channel scale or shift, may lie between);
            on the output itself where no activation is there.
        post: measured on what leaves that activation; None where there is none.
    """

    name: str
    kind: Kind
    module: nn.Module
    pre: T
    post: T | None = None

    @property
    def output(self) -> T:
        """What is handed on: after the activation where there is one."""
        return self.pre if self.post is None else self.post


@dataclass
class _Seen(Generic[T]):
    """A tensor as it was: gone when it is collected, or when it was changed in place since."""

    tensor: ReferenceType[Tensor]
    version: int
    content: T

    @classmethod
    def of(cls, tensor: Tensor, content: T) -> _Seen[T]:
        return cls(ref(tensor), tensor._version, content)

    def is_now(self, tensor: object) -> bool:
        return self.tensor() is tensor and isinstance(tensor, Tensor) and tensor._version == self.version


class _Watch(TorchFunctionMode, Generic[T]):
    """Follows each layer's output to the activation it enters, through the functions that torch calls.

    Functions, not modules, because an activation may be one module used many times, or no module at all.
    """

    def __init__(self, measure: Callable[[Tensor], T], num_inputs: int) -> None:
        super().__init__()
        self.measure, self.num_inputs = measure, num_inputs
        self.readings: list[Reading[T]] = []
        self.calls: dict[str, int] = {}
        self.open: _Seen[Reading[T]] | None = None  # a layer's output that nothing has used yet
        self.closing: _Seen[tuple[T, T]] | None = None  # the last activation's output

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Measure around activations, and carry a layer's reading through a norm, scale or shift."""
        kwargs = kwargs or {}
        first = args[0] if args else None
        follows = self.open is not None and self.open.is_now(first)
        if func in ACTIVATIONS and isinstance(first, Tensor) and self.per_input(first):
            before = self.measure(first)  # now: the activation may overwrite its input
            out = func(*args, **kwargs)
            after = self.measure(out)
            if follows and self.open is not None:
                self.open.content.pre, self.open.content.post = before, after
                self.open = None
            self.closing = _Seen.of(out, (before, after))
            return out
        out = func(*args, **kwargs)
        kept = func in NORMS or (func in ARITHMETIC and _is_scale_or_shift(args))
        if follows and kept and self.open is not None and isinstance(out, Tensor):
            self.open = _Seen.of(out, self.open.content)
        return out

    def per_input(self, tensor: Tensor) -> bool:
        """Whether the first dimension is that of the inputs, or of several windows of each."""
        return tensor.dim() > 1 and tensor.numel() > 0 and tensor.shape[0] % self.num_inputs == 0

    def layer_hook(self, name: str, kind: Kind) -> Callable[[nn.Module, Any, Any], None]:
        """Make the forward hook of one layer or block."""

        def hook(module: nn.Module, args: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or not self.per_input(output):
                shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
                raise InitlabError(f"{name} gives {shape}: must be one tensor with a row per input")
            self.calls[name] = self.calls.get(name, 0) + 1
            label = name if self.calls[name] == 1 else f"{name}@{self.calls[name]}"
            if kind == "block" and self.closing is not None and self.closing.is_now(output):
                pre, post = self.closing.content
                self.readings.append(Reading(label, kind, module, pre, post))
            else:
                reading = Reading(label, kind, module, self.measure(output))
                self.readings.append(reading)
                if kind == "layer":
                    self.open = _Seen.of(output, reading)

        return hook


def _is_scale_or_shift(operands: Sequence[Any]) -> bool:
    """Whether all operands but the first are numbers, or tensors with at most one entry per channel."""
    tensor, *others = operands
    channels = tensor.shape[1] if isinstance(tensor, Tensor) and tensor.dim() > 1 else 0
    return all(
        not isinstance(other, Tensor) or other.numel() <= channels < tensor.numel() for other in others
    )


@contextmanager
def watch(
    layers: Mapping[str, nn.Module],
    blocks: Mapping[str, nn.Module],
    num_inputs: int,
    measure: Callable[[Tensor], T],
) -> Iterator[list[Reading[T]]]:
    """Measure the outputs of layers and blocks in forward passes made inside, in the order of their use.

    Args:
        layers: name to layer.
        blocks: name to block; layers inside are measured before their block.
        num_inputs: N of the batch.
        measure: applied to each pre-activation and activation at the moment when it exists (an activation
            in place overwrites it right after).
    """
    follower: _Watch[T] = _Watch(measure, num_inputs)
    with ExitStack() as stack:
        for kind, modules in (("layer", layers), ("block", blocks)):
            for name, module in modules.items():
                hook = follower.layer_hook(name, "layer" if kind == "layer" else "block")
                stack.callback(module.register_forward_hook(hook).remove)
        stack.enter_context(follower)
        yield follower.readings


# ---------------------------------------------------------------------------------------------------------
# Numbers that neither overflow nor vanish


def log_norms(tensor: Tensor, num_rows: int) -> Tensor:
    """Natural logarithm of the Euclidean norm of each row, float64 ``(num_rows,)``; -inf for a row of zeros.

    Each row is divided by its largest entry before it is squared: 1e-31 is not 0.
    """
    rows = tensor.detach().reshape(num_rows, -1)
    peak = rows.abs().amax(dim=1).double()
    scale = torch.where((peak > 0) & torch.isfinite(peak), peak, torch.ones_like(peak))
    scaled = torch.linalg.vector_norm(rows.double() / scale[:, None], dim=1)
    return (scaled.log() + scale.log()).cpu()


def log_norm(tensor: Tensor) -> float:
    """Natural logarithm of the Euclidean norm of a whole tensor."""
    return float(log_norms(tensor, 1))


def norm_of(tensor: Tensor) -> float:
    """Euclidean norm of a whole tensor."""
    return math.exp(log_norm(tensor))


def finite(value: float) -> float | None:
    """Return the number, or None for NaN and infinity, which JSON cannot hold."""
    return value if math.isfinite(value) else None
