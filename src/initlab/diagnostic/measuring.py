"""Running a module without leaving a trace: modes, buffers and torch's random state are put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm

from initlab.diagnostic.checks import Precision

Statistics = Literal["running", "batch"]


@contextmanager
def measuring(model: nn.Module, statistics: Statistics = "running", training: bool = False) -> Iterator[None]:
    """Put the module in evaluation or training mode, and everything back on leaving.

    Put back are the mode of each submodule, every buffer and torch's global random state. Gradients are
    enabled inside, whatever the caller's mode, and attention runs in plain operations, which can be
    differentiated in every way.

    Args:
        model: any module.
        statistics: of batch normalization: ``running``, with which inputs do not see each other, or
            ``batch``, those of the batch at hand, as in training.
        training: put the whole module in training mode instead, dropout and all.
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
        model.train(training)
        if statistics == "batch":
            for module in model.modules():
                if isinstance(module, _BatchNorm):
                    module.train()
        with torch.random.fork_rng(devices), torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        for module, name, buffer, value in buffers:
            module._buffers[name] = buffer
            if not torch.equal(buffer, value):  # batch norm writes without counting a version
                with torch.no_grad():
                    buffer.copy_(value)


def run(module: nn.Module, inputs: Tensor, precision: Precision = "model") -> Any:
    """Call a module, with its own numbers or with float64 copies of its parameters and buffers."""
    if precision == "model":
        return module(inputs)
    held = [*module.named_parameters(), *module.named_buffers()]
    tensors = {name: t.detach().double() if t.is_floating_point() else t for name, t in held}
    return functional_call(module, tensors, (inputs.double(),))
