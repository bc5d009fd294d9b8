"""The checks that every data set passes, each with the sentence that says what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from initlab.errors import ConfigError, DataError


def check_labels(where: str, labels: Tensor, num_classes: int) -> None:
    """Refuse labels outside ``0 .. num_classes - 1``."""
    low, high = (int(labels.min()), int(labels.max())) if len(labels) else (0, 0)
    if low < 0 or high >= num_classes:
        wrong = low if low < 0 else high
        raise DataError(f"{where} has the label {wrong}, outside 0..{num_classes - 1}")


def check_inputs(where: str, inputs: Tensor, labels: Tensor, input_shape: Sequence[int]) -> None:
    """Refuse inputs of another shape, and labels that are fewer or more than the inputs."""
    found, wanted = tuple(inputs.shape[1:]), tuple(input_shape)
    if found != wanted:
        raise DataError(f"{where} has inputs of shape {found}, not {wanted}")
    if len(inputs) != len(labels):
        raise DataError(f"{where} has {len(inputs)} inputs and {len(labels)} labels")
    if len(inputs) == 0:
        raise DataError(f"{where} is empty")
    if inputs.is_floating_point() and not bool(inputs.isfinite().all()):
        raise DataError(f"{where} has inputs that are not finite")


def check_fraction(key: str, value: float) -> None:
    """Refuse a share that leaves nothing on one side."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ConfigError(f"{key}={value}: must be a number between 0 and 1")


def check_positive(key: str, value: Any) -> None:
    """Refuse what is not a positive whole number."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{key}={value}: must be a positive whole number")


def reason(error: BaseException) -> str:
    """Say in one short line what a library complained about."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "..."
