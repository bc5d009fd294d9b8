"""Training steps of this project and of the yardstick, each with its own loader, for a bare loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import initlab  # noqa: F401  (arms the torchvision cure before lightning imports it)

# isort: split
import torch
from torch import Tensor

from benchmarks.cases import NETWORKS, RECIPE
from benchmarks.yardstick.__main__ import NETWORKS as YARDSTICKS
from benchmarks.yardstick.data import ImageData
from benchmarks.yardstick.module import Module
from benchmarks.yardstick.networks import initialize
from initlab.data.base import Batches, Loaders, Source
from initlab.sweep.compose import Composer, config_loader
from initlab.task.build import build, build_init, build_network, build_source
from initlab.training.classifier import Classifier
from initlab.training.gradient_graph import GradientGraph

LR = 0.01
Step = Callable[[], None]


def composed(name: str, data_dir: Path, *more: str) -> dict[str, Any]:
    """Compose the configuration of this project's run of a network."""
    with config_loader() as loader:
        return Composer(loader).compose([*NETWORKS[name], *RECIPE, f"paths.data_dir={data_dir}", *more])


class Sources:
    """This project's data sets, each read once however many steps are made on it."""

    def __init__(self) -> None:
        self._sources: dict[str, Source] = {}

    def of(self, config: Mapping[str, Any]) -> Source:
        """Return the data set of a configuration."""
        name = config["data"]["name"]
        if name not in self._sources:
            self._sources[name] = build_source(config)
        return self._sources[name]


def forever(batches: Batches) -> Iterator[tuple[Tensor, Tensor]]:
    """Walk epoch after epoch."""
    epoch = 0
    while True:
        batches.set_epoch(epoch)
        yield from batches
        epoch += 1


def autocast(precision: str, device: str = "cpu") -> AbstractContextManager[Any]:
    """Do what the Trainer does for ``32-true`` and ``bf16-mixed``."""
    return torch.autocast(device, torch.bfloat16) if precision == "bf16-mixed" else nullcontext()


def ours(
    config: Mapping[str, Any], source: Source, device: str = "cpu"
) -> tuple[Classifier, torch.optim.Optimizer, Loaders]:
    """Build the parts of a run as ``task=fit`` does."""
    loaders = source.loaders(config["batch_size"], seed=config["seed"], device=device)
    network = build_network(config, source, build_init(config), loaders).to(device)
    graph = GradientGraph if config["trainer"]["cuda_graphs"] else None
    optimizer = _make_optimizer(config["optim"])
    module = Classifier(network, optimizer, build(config["schedule"]), make_graph=graph)
    if config["trainer"]["compile"]:
        network.compile(dynamic=False)
    return module, module.configure_optimizers(), loaders


def _make_optimizer(node: Mapping[str, Any]) -> Any:
    module, _, name = node["_target_"].rpartition(".")
    return partial(
        getattr(import_module(module), name),
        **{k: v for k, v in node.items() if k not in ("_target_", "name")},
    )


def our_step(config: Mapping[str, Any], source: Source, device: str = "cpu") -> Step:
    """Return a step of this project: a batch of its loader, its module's loss and metrics, its optimizer."""
    module, optimizer, loaders = ours(config, source, device)
    batches = forever(loaders.train)
    precision = config["trainer"]["precision"]

    def step() -> None:
        batch = next(batches)
        with autocast(precision, device):
            loss = module.training_step(batch, 0)
        module.optimizer_zero_grad(0, 0, optimizer)
        module.backward(loss)
        optimizer.step()

    return step


def yardstick_data(name: str, data_dir: Path, num_workers: int) -> ImageData:
    """Read the yardstick's data from the folder in which torchvision's files lie."""
    data_name, _ = YARDSTICKS[name]
    data = ImageData(data_name, torchvision_root(data_dir), num_workers=num_workers)
    data.setup()
    return data


def torchvision_root(data_dir: Path) -> Path:
    """Return the folder that torchvision wants to be told: this one, or its subfolder ``torchvision``."""
    return data_dir / "torchvision" if (data_dir / "torchvision").is_dir() else data_dir


class Batching:
    """Batches of a DataLoader without end, and the processes that make them."""

    def __init__(self, data: ImageData) -> None:
        self.loader = data.train_dataloader()
        self.iterator = iter(self.loader)

    def next(self) -> tuple[Tensor, Tensor]:
        """Return a batch."""
        try:
            images, labels = next(self.iterator)
        except StopIteration:
            self.iterator = iter(self.loader)
            images, labels = next(self.iterator)
        return images, labels

    def workers(self) -> Sequence[int]:
        """Return the ids of the worker processes."""
        return [worker.pid for worker in getattr(self.iterator, "_workers", ())]


def yardstick_step(name: str, batching: Batching, precision: str, device: str = "cpu") -> Step:
    """Return a step of the yardstick: a batch of its loader, the loss, its optimizer; no metrics.

    Metrics are left out because they need a Trainer; ours are in its step.
    """
    _, build_yardstick = YARDSTICKS[name]
    network = build_yardstick()
    initialize(network, "proposed")
    network.to(device)
    module = Module(network, LR, epochs=1)
    optimizer = module.configure_optimizers()["optimizer"]

    def step() -> None:
        images, labels = batching.next()
        batch = images.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        with autocast(precision, device):
            loss, _ = module.loss(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def one_thread() -> None:
    """Compute in one thread, in the processes that this one starts too."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
