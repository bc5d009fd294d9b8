"""What a measurement can be made on: options, batch, logits and loss, each refused in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from initlab.diagnostic.base import Batch
from initlab.errors import ConfigError, InitlabError, Refused

Precision = Literal["model", "float64"]


def check_choice(key: str, value: object, choices: Sequence[object]) -> None:
    """Refuse an argument that is none of its choices."""
    if value not in choices:
        raise ConfigError(f"{key}={value}: must be {' or '.join(map(str, choices))}")


def check_count(key: str, value: object, least: int = 1, null: str | None = None) -> None:
    """Refuse an argument that is no whole number of at least ``least``, nor a None that ``null`` explains."""
    if value is None and null is not None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        otherwise = "" if null is None else f", or null {null}"
        raise ConfigError(f"{key}={value}: must be a whole number of at least {least}{otherwise}")


def checked_batch(
    model: nn.Module,
    batch: Batch,
    num_samples: int | None = None,
    precision: Precision = "model",
    tokens: bool = False,
) -> Batch:
    """Return the first samples of a batch on the device of the parameters, the inputs in their type.

    Args:
        model: whose parameters say where and in what type.
        batch: inputs ``(N, ...)`` and labels ``(N,)``.
        num_samples: how many of them; None for all.
        precision: ``model``, or ``float64`` for inputs of that type whatever the parameters'.
        tokens: let inputs of whole numbers pass, as they are.

    Raises:
        Refused: the batch is empty, holds NaN or inf, or has not as many labels as inputs.
    """
    inputs, labels = batch
    if inputs.dim() < 2 - tokens or inputs.numel() == 0:
        raise Refused(f"batch: inputs of shape {tuple(inputs.shape)} must be (N, ...) with N >= 1")
    if len(inputs) != len(labels):
        raise Refused(f"batch: {len(inputs)} inputs with {len(labels)} labels")
    if not tokens and not inputs.is_floating_point():
        raise Refused(f"batch: the inputs are {inputs.dtype} and must be of floating point")
    for name, tensor in (("inputs", inputs), ("labels", labels)):
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise Refused(f"batch: the {name} hold NaN or inf, so a measurement on them means nothing")
    inputs, labels = inputs[:num_samples], labels[:num_samples]
    reference = next(model.parameters(), None)
    if reference is not None:
        inputs, labels = inputs.to(reference.device), labels.to(reference.device)
    if inputs.is_floating_point() and precision == "float64":
        inputs = inputs.double()
    elif inputs.is_floating_point() and reference is not None:
        inputs = inputs.to(reference.dtype)
    return inputs, labels


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


def logits_of(output: Any) -> Tensor:
    """Return the output of a model, or say that it is not a tensor."""
    if not isinstance(output, Tensor):
        raise InitlabError(f"the model returns {type(output).__name__}: must be one tensor of logits")
    return output


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


def refuse_coupled_samples(model: nn.Module) -> None:
    """Refuse a module in which one input changes another's output even in evaluation mode.

    Raises:
        InitlabError: naming the batch normalization that keeps no running statistics.
    """
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            raise InitlabError(f"{name} keeps no running statistics, so inputs see each other in every mode")
