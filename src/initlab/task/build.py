"""From a node of the configuration to the object that it describes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from initlab.data.base import Loaders, Source
from initlab.errors import ConfigError
from initlab.init.base import Init
from initlab.model.base import check_positive
from initlab.model.construction import build_undrawn
from initlab.norm.base import Norm


def build(node: Mapping[str, Any], *first: Any, **supplied: Any) -> Any:
    """Call ``_target_`` with the other keys of the node; ``name`` is the option's and no argument."""
    arguments = {key: value for key, value in node.items() if key not in ("_target_", "name")}
    module, _, attribute = node["_target_"].rpartition(".")
    return getattr(import_module(module), attribute)(*first, **arguments, **supplied)


def optimizer_maker(node: Mapping[str, Any]) -> Callable[..., torch.optim.Optimizer]:
    """Return what makes the optimizer of the config, given parameters; it can be sent to another process.

    Raises:
        ConfigError: when called, where the optimizer does not take a value.
    """
    return partial(_make_optimizer, node)


def _make_optimizer(node: Mapping[str, Any], parameters: Any) -> torch.optim.Optimizer:
    try:
        optimizer: torch.optim.Optimizer = build(node, parameters)
    except (ValueError, IndexError, TypeError) as error:  # torch looks at some values only as it unpacks them
        raise ConfigError(f"optim={node['name']}: {error}") from error
    return optimizer


def generator(seed: int, stream: str | None = None) -> torch.Generator:
    """Make the generator of a run's init, or that of another stream, named: what one draws moves no other."""
    if stream is None:
        return torch.Generator().manual_seed(seed)
    words = np.random.SeedSequence([seed % 2**64, zlib.crc32(stream.encode())])
    return torch.Generator().manual_seed(int(words.generate_state(1, np.uint64)[0] >> np.uint64(1)))


def build_model(config: Mapping[str, Any], source: Source) -> nn.Module:
    """Build the network for the data, with the norm of the config; its parameters are not set yet.

    Raises:
        ConfigError: a size is not a positive whole number.
    """
    norm: Norm = build(config["norm"])
    supplied = {"input_shape": source.input_shape, "num_classes": source.num_classes, "norm": norm}
    return build_undrawn(lambda: build(config["model"], **supplied))


def build_source(config: Mapping[str, Any]) -> Source:
    """Build the data set of the config."""
    check_positive("batch_size", config["batch_size"])
    source: Source = build(config["data"])
    return source


def build_init(config: Mapping[str, Any]) -> Init:
    """Build the init of the config."""
    init: Init = build(config["init"])
    return init


def build_network(config: Mapping[str, Any], source: Source, init: Init, loaders: Loaders) -> nn.Module:
    """Build the network of a run and initialize it: the same weights, whatever the task does with them.

    Torch's own generator is seeded first, for what no init sets and for layers that draw while they train.

    Raises:
        ConfigError: a size is not a positive whole number.
        Refused: the init does not fit the norm or the network.
    """
    torch.manual_seed(config["seed"])
    model = build_model(config, source)
    init(model, generator(config["seed"]), first_batch(loaders)[0].cpu() if init.needs_batch else None)
    return model


def first_batch(loaders: Loaders) -> tuple[Tensor, Tensor]:
    """Return the first training minibatch of the run, augmented as it will be trained on."""
    loaders.train.set_epoch(0)
    inputs, labels = next(iter(loaders.train))
    return inputs, labels
