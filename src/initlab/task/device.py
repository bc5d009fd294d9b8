"""Where a run computes: the device and the threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from initlab.errors import ConfigError
from initlab.model.base import check_positive


def choose_device(accelerator: str) -> torch.device:
    """Return the device that ``trainer.accelerator`` names; ``auto`` is the GPU where there is one.

    Raises:
        ConfigError: there is no such accelerator, or not here.
    """
    if accelerator == "cpu" or (accelerator == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if accelerator not in ("auto", "cuda", "gpu"):
        raise ConfigError(f"trainer.accelerator={accelerator}: it runs on auto, cpu or gpu")
    if not torch.cuda.is_available():
        raise ConfigError(f"trainer.accelerator={accelerator}: this machine has no CUDA device")
    return torch.device("cuda")


def device_name(device: torch.device) -> str:
    """Name a device in words."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def set_threads(num_threads: int | None) -> None:
    """Set torch's threads on the CPU; None leaves them as torch found them.

    Raises:
        ConfigError: the number is not positive.
    """
    if num_threads is not None:
        torch.set_num_threads(check_positive("trainer.num_threads", num_threads))


def check_cuda_graphs(trainer: Mapping[str, Any]) -> None:
    """Refuse a graph of what it cannot hold.

    Raises:
        ConfigError: there is no GPU, or gradients are accumulated over batches.
    """
    if not trainer["cuda_graphs"]:
        return
    if trainer["accelerator"] == "cpu" or not torch.cuda.is_available():
        raise ConfigError("trainer.cuda_graphs=true: needs a CUDA device; leave it at false")
    if trainer["accumulate_grad_batches"] != 1:
        raise ConfigError(
            "trainer.cuda_graphs=true: a graph is one batch; leave accumulate_grad_batches at 1"
        )
