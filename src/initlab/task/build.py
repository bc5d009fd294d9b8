"""From a node of the configuration to the object that it describes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from torch import nn

from initlab.data.base import Source
from initlab.init.base import Init
from initlab.model.base import check_positive
from initlab.norm.base import Norm


def build(node: Mapping[str, Any], **supplied: Any) -> Any:
    """Call ``_target_`` with the other keys of the node; ``name`` is the option's and no argument."""
    arguments = {key: value for key, value in node.items() if key not in ("_target_", "name")}
    module, _, attribute = node["_target_"].rpartition(".")
    return getattr(import_module(module), attribute)(**arguments, **supplied)


def generator(seed: int) -> torch.Generator:
    """Make the generator of a run's init; every other stream of a run has a generator of its own."""
    return torch.Generator().manual_seed(seed)


def build_model(config: Mapping[str, Any], source: Source) -> nn.Module:
    """Build the network for the data, with the norm of the config; its parameters are not set yet.

    Raises:
        ConfigError: a size is not a positive whole number.
    """
    norm: Norm = build(config["norm"])
    model: nn.Module = build(
        config["model"], input_shape=source.input_shape, num_classes=source.num_classes, norm=norm
    )
    return model


def build_source(config: Mapping[str, Any]) -> Source:
    """Build the data set of the config."""
    check_positive("batch_size", config["batch_size"])
    source: Source = build(config["data"])
    return source


def build_init(config: Mapping[str, Any]) -> Init:
    """Build the init of the config."""
    init: Init = build(config["init"])
    return init
