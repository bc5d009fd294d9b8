"""What every measurement owes the model and the user: a checked batch, and a model left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from initlab.diagnostic.base import Batch
from initlab.errors import Refused


def checked_batch(model: nn.Module, batch: Batch, num_samples: int | None = None) -> Batch:
    """Return the first ``num_samples`` of the batch, with the type and on the device of the parameters.

    Raises:
        Refused: the inputs hold NaN or inf, or there are not as many labels as inputs.
    """
    inputs, labels = batch
    if len(inputs) != len(labels) or not len(inputs):
        raise Refused(f"batch: {len(inputs)} inputs with {len(labels)} labels")
    if not bool(torch.isfinite(inputs).all()):
        raise Refused("batch: the inputs hold NaN or inf")
    if labels.is_floating_point() and not bool(torch.isfinite(labels).all()):
        raise Refused("batch: the labels hold NaN or inf")
    inputs, labels = inputs[:num_samples], labels[:num_samples]
    reference = next(model.parameters(), None)
    if reference is None:
        return inputs, labels
    if inputs.is_floating_point():
        return inputs.to(reference), labels.to(reference.device)
    return inputs.to(reference.device), labels.to(reference.device)


@contextmanager
def measured(model: nn.Module, training: bool) -> Iterator[None]:
    """Put the model in training or evaluation mode, and give back its mode and buffers at the end.

    Attention runs in plain operations inside: the fused ones have no second derivatives.
    """
    modes = {module: module.training for module in model.modules()}
    # Batch norm in training mode moves its running statistics.
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()] if training else []
    model.train(training)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)


def scalar(loss: Tensor) -> Tensor:
    """Return the loss, or refuse one that is not a single number that depends on the parameters.

    Raises:
        Refused: the loss has more than one element, or no gradient.
    """
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        shape = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise Refused(f"loss: must be a scalar, and this one is {shape}; take its mean or its sum")
    if not loss.requires_grad:
        raise Refused("loss: does not depend on any of the parameters")
    return loss.reshape(())
