"""What leaves each layer and block, before and after its activation, in a module that does not say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from initlab.errors import InitlabError

T = TypeVar("T")
Kind = Literal["layer", "block"]


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
