"""What networks share: the checks of their options."""

from collections.abc import Sequence
from typing import Literal

from initlab.errors import ConfigError

PaddingMode = Literal["zeros", "circular"]


def check_positive(key: str, value: int) -> int:
    """Return ``value``, or say which key must be a positive whole number."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{key}={value}: must be a positive whole number")
    return value


def check_images(model: str, input_shape: Sequence[int]) -> int:
    """Return the number of channels of inputs ``(C, H, W)``, or say that the network wants images."""
    if len(input_shape) != 3:
        raise ConfigError(f"model={model} takes images (C, H, W), not inputs of shape {tuple(input_shape)}")
    return input_shape[0]


def check_padding_mode(padding_mode: str) -> None:
    """Say that convolutions pad with zeros or around the edges."""
    if padding_mode not in ("zeros", "circular"):
        raise ConfigError(f"model.padding_mode={padding_mode}: must be zeros or circular")
