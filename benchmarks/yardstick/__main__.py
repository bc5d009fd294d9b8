"""One run of the yardstick, in a process of its own: ``python -m benchmarks.yardstick --network ...``."""

from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import initlab  # noqa: F401  (lets a CPU-only torch load torchvision)

# isort: split
import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import nn

from benchmarks.yardstick.data import ImageData
from benchmarks.yardstick.module import Module
from benchmarks.yardstick.networks import Mlp, Wrn, initialize

NETWORKS: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "mlp_10x128": ("mnist", lambda: Mlp(10, 128)),
    "mlp_10x512": ("mnist", lambda: Mlp(10, 512)),
    "wrn_10_1": ("cifar10", lambda: Wrn(1)),
    "wrn_16_1": ("cifar10", lambda: Wrn(2)),
    "resnet_56": ("cifar10", lambda: Wrn(9)),
}


def main(arguments: Sequence[str] | None = None) -> lightning.Trainer:
    """Train, validate after each epoch, test the best epoch."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.yardstick", description=__doc__)
    parser.add_argument("--network", choices=NETWORKS, required=True)
    parser.add_argument("--init", choices=("pytorch", "proposed"), default="proposed")
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--accelerator", default="auto")
    parser.add_argument("--num-workers", type=int, default=0)
    parser.add_argument("--num-threads", type=int)
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--limit-train-batches", type=int)
    parser.add_argument("--limit-val-batches", type=int)
    parser.add_argument("--limit-test-batches", type=int)
    options = parser.parse_args(arguments)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in ("does not have many workers", "is smaller than the logging interval", "`srun` command"):
        warnings.filterwarnings("ignore", f".*{message}.*")
    warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated.*")
    if options.num_threads is not None:
        torch.set_num_threads(options.num_threads)
    lightning.seed_everything(options.seed, workers=True, verbose=False)
    data_name, build = NETWORKS[options.network]
    network = build()
    initialize(network, options.init)
    data = ImageData(data_name, options.data_dir, num_workers=options.num_workers)
    trainer = lightning.Trainer(
        max_epochs=options.epochs,
        accelerator=options.accelerator,
        devices=1,
        precision=options.precision,
        logger=CSVLogger(options.output_dir),
        callbacks=[ModelCheckpoint(monitor="val/acc", mode="max", save_last=True)],
        limit_train_batches=options.limit_train_batches,
        limit_val_batches=options.limit_val_batches,
        limit_test_batches=options.limit_test_batches,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(Module(network, options.lr, options.epochs), data)
    trainer.test(ckpt_path="best", datamodule=data, verbose=False, weights_only=False)
    return trainer


if __name__ == "__main__":
    main()
