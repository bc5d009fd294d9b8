"""``task=fit``: train, validate after each epoch, test the best epoch."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import initlab  # noqa: F401  (arms the torchvision cure before lightning imports it)

# isort: split
import lightning
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from initlab.data.base import Loaders
from initlab.errors import ConfigError
from initlab.model.base import check_positive
from initlab.results.metrics_csv import MetricsCsv
from initlab.results.run_folder import RunFolder
from initlab.stopping import deferred
from initlab.sweep.ranks import Ranks
from initlab.task.build import (
    build,
    build_init,
    build_network,
    build_source,
    generator,
    optimizer_maker,
)
from initlab.task.device import check_cuda_graphs, device_name, set_threads
from initlab.task.logger import build_log, recording
from initlab.task.resume import checkpoint_to_resume
from initlab.task.run import Outcome
from initlab.training.agreement import Agreement
from initlab.training.checkpoint import Checkpoint
from initlab.training.classifier import Classifier
from initlab.training.divergence import Diverged, Divergence
from initlab.training.epochs import Epochs
from initlab.training.gradient_graph import GradientGraph
from initlab.training.group import ALONE, Group
from initlab.training.history import History
from initlab.training.joint_batch_norm import join_batch_norms_
from initlab.training.log import Log
from initlab.training.progress_bar import ProgressBar

# What Lightning says about loaders, folders and launchers that are as they are meant to be.
_EXPECTED = (
    "does not have many workers",
    "Checkpoint directory .* exists",
    "is smaller than the logging interval",
    "It is recommended to use .*sync_dist=True",  # what is logged is summed over the processes already
    "GPU available but not used",
    "The `srun` command is available",
    "Trying to infer the `batch_size`",
    ".*LeafSpec.* is deprecated",
)


@contextmanager
def _without_expected_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        for message in _EXPECTED:
            warnings.filterwarnings("ignore", f".*{message}")
        yield


@_without_expected_warnings()
def fit(config: Mapping[str, Any], folder: RunFolder) -> Outcome:
    """Train one network and return its metrics.

    Raises:
        InitlabError: a part cannot be built, or the checkpoint to go on from is missing or another run's.
        Refused: the init does not fit the norm or the network.
    """
    ranks = Ranks.of(config)
    check_positive("trainer.accumulate_grad_batches", config["trainer"]["accumulate_grad_batches"])
    check_cuda_graphs(config["trainer"])
    group = Group.join() if ranks.total > 1 else ALONE
    # What can be refused without the data comes first, before any file of an older run is touched.
    source, init = build_source(config), build_init(config)
    schedule, clipping = build(config["schedule"]), build(config["clipping"])
    log = build_log(config, folder) if group.leads else Log()
    history = History(MetricsCsv(folder.metrics_path), log, group)
    options = config["callback"]["checkpoint"]
    checkpoint = Checkpoint(folder.path / "checkpoints", folder.run_id, **options, group=group)
    resume = checkpoint_to_resume(config["ckpt_path"], checkpoint)
    torch.backends.cudnn.allow_tf32 = False  # precision 32-true means 32 bits, in convolutions too
    trainer = _trainer(config, folder, log.lightning, group, [history, checkpoint])
    device = trainer.strategy.root_device
    with group.leader_first():
        loaders = source.loaders(config["batch_size"], seed=config["seed"], device=device)
    model = build_network(config, source, init, loaders)
    if config["trainer"]["precision"] == "64-true":
        model.double()  # Lightning would do so after it has loaded a checkpoint, into 32 bits
    graph = GradientGraph if config["trainer"]["cuda_graphs"] else None
    module = Classifier(model, optimizer_maker(config["optim"]), schedule, clipping, graph)
    if group.size > 1:
        loaders = _share(config, module, loaders, group)
    if config["trainer"]["compile"]:
        model.compile(dynamic=False)  # in place: parameters keep their names
    name = device_name(device)
    outcome = Outcome(device=name if group.size == 1 else f"{group.size} x {name}")
    clock = time.perf_counter()
    with recording(log, outcome):
        try:
            # A run that is asked to stop ends its batch and saves itself.
            with deferred(together=group.size > 1):
                trainer.fit(module, Epochs(loaders.train), loaders.val, ckpt_path=resume, weights_only=True)
        except Diverged as error:
            outcome.status, outcome.error = "diverged", str(error)
            outcome.metrics = {"diverged/epoch": error.epoch, "diverged/step": error.step}
        module.graph = None  # its memory is free for the runs to come, though the two hold one another
        outcome.samples_per_s = module.samples_seen / (time.perf_counter() - clock)
        outcome.metrics |= history.last
        if outcome.status == "ok":
            outcome.metrics |= _test_best(trainer, module, checkpoint, loaders)
    return outcome


def _trainer(
    config: Mapping[str, Any],
    folder: RunFolder,
    logger: Any,
    group: Group,
    callbacks: list[lightning.Callback],
) -> lightning.Trainer:
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
    title = f"{config['model']['name']} {config['init']['name']} lr={config['lr']:g} seed={config['seed']}"
    arguments = {key: value for key, value in config["trainer"].items() if value is not None}
    set_threads(arguments.pop("num_threads", None))
    del arguments["compile"], arguments["cuda_graphs"]  # no arguments of Lightning's
    arguments["strategy"] = "auto" if group.size == 1 else "ddp"
    together = [] if group.size == 1 else [Agreement(group)]
    try:
        trainer: lightning.Trainer = build(
            arguments,
            max_epochs=config["epochs"],
            logger=logger,
            # Divergence looks first: an epoch that ended in NaN leaves no row and no checkpoint.
            callbacks=[
                *together,
                Divergence(**config["callback"]["divergence"], group=group),
                *callbacks,
                ProgressBar(title),
            ],
            default_root_dir=str(folder.path),
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1_000_000_000,  # metrics are per epoch
            use_distributed_sampler=False,
        )
    except (ValueError, MisconfigurationException) as error:
        raise ConfigError(f"trainer: {error}") from error
    return trainer


def _share(config: Mapping[str, Any], module: Classifier, loaders: Loaders, group: Group) -> Loaders:
    """Make a module one of a group, and return its share of the data.

    The weights were drawn, and the first batch was seen, as in a run of one process. What layers draw while
    they train differs from process to process.
    """
    join_batch_norms_(module.model)
    if not group.leads:
        torch.manual_seed(generator(config["seed"], f"rank/{group.rank}").initial_seed())
    module.group, module.batch_size = group, loaders.train.size
    streams = (loaders.train, loaders.val, loaders.test)
    return Loaders(*(stream.share(group.rank, group.size) for stream in streams))


def _test_best(
    trainer: lightning.Trainer, module: Classifier, checkpoint: Checkpoint, loaders: Loaders
) -> dict[str, float | int | None]:
    """Test the weights of the best epoch, then put the last ones back."""
    metrics: dict[str, float | int | None] = {}
    if checkpoint.best_epoch >= 0:
        module.model.load_state_dict(torch.load(checkpoint.best, weights_only=True))
        metrics = {"best/val_acc": checkpoint.best_acc, "best/epoch": checkpoint.best_epoch}
    (tested,) = trainer.test(module, loaders.test, verbose=False)
    return metrics | {key: float(value) for key, value in tested.items()}
