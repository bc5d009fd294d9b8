"""Time of the whole ``trainer.fit`` against the bare loop that does the same steps, one thread.

    python -m benchmarks.fit [--data-dir data] [--out outputs/bench/fit.json]

The bare loop trains the same batches with the same module and optimizer and then evaluates the same
validation batches; it has no Trainer, callbacks, checkpoints or tables. The MLP is timed over an epoch of
MNIST, the convolutional networks over the first batches of one, so that the fixed cost of a fit weighs more
than in a run. The yardstick's ``trainer.fit`` stands beside the MLP's.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.contenders import Sources, autocast, composed, one_thread, ours, torchvision_root
from benchmarks.measuring import Contender, Section, Spent, arguments, compare, cpu_seconds
from benchmarks.yardstick.__main__ import main as yardstick

# isort: split
import lightning
import torch

from initlab.results.identity import run_id
from initlab.results.run_folder import RunFolder
from initlab.task import fit as task

# Training batches of one fit, and rounds; None for an epoch.
SIZES: dict[str, tuple[int | None, int]] = {"mlp_10x128": (None, 5), "wrn_16_1": (24, 3), "resnet_56": (8, 3)}


def main() -> None:
    options = arguments("fit", __doc__, rounds=0).parse_args()
    one_thread()
    section, sources = Section("fit", options), Sources()
    for name, (batches, rounds) in SIZES.items():
        batches, rounds = (1, 1) if options.quick else (batches, options.rounds or rounds)
        config = composed(name, options.data_dir, *limits(batches))
        source = sources.of(config)
        found = {"trainer.fit": whole(config), "bare loop": bare(config, source)}
        if name == "mlp_10x128":
            found["yardstick's trainer.fit"] = of_yardstick(name, options.data_dir, batches)
        what = "epoch" if batches is None else f"{batches} batches and 1 of validation"
        section.add(name, what, compare(found, rounds))
    section.write()


def limits(batches: int | None) -> list[str]:
    """Return the overrides that make a fit short; the test is cut to one batch, for it is not timed."""
    found = ["trainer.limit_test_batches=1", "ckpt_path=null"]
    if batches is not None:
        found += [f"trainer.limit_train_batches={batches}", "trainer.limit_val_batches=1"]
    return found


@contextmanager
def timed_fit() -> Iterator[list[Spent]]:
    """Time every call of ``Trainer.fit``."""
    spent: list[Spent] = []
    fit = lightning.Trainer.fit

    def timed(*args: Any, **kwargs: Any) -> None:
        cpu, wall = cpu_seconds(), time.perf_counter()
        fit(*args, **kwargs)
        spent.append(Spent(cpu_seconds() - cpu, time.perf_counter() - wall))

    with patch.object(lightning.Trainer, "fit", timed):
        yield spent


def whole(config: dict[str, Any]) -> Contender:
    """Return a contender that runs ``task=fit`` and gives what its ``trainer.fit`` spent."""

    def act() -> Spent:
        with tempfile.TemporaryDirectory() as folder, timed_fit() as spent:
            run = RunFolder(folder, run_id(config))
            run.create()
            task.fit(config, run)
        return spent[0]

    return act


def of_yardstick(name: str, data_dir: Path, batches: int | None) -> Contender:
    def act() -> Spent:
        with tempfile.TemporaryDirectory() as folder, timed_fit() as spent:
            command = [
                "--network",
                name,
                "--data-dir",
                str(torchvision_root(data_dir)),
                "--output-dir",
                folder,
            ]
            command += ["--accelerator", "cpu", "--num-threads", "1", "--limit-test-batches", "1"]
            if batches is not None:
                command += ["--limit-train-batches", str(batches), "--limit-val-batches", "1"]
            yardstick(command)
        return spent[0]

    return act


def bare(config: dict[str, Any], source: Any) -> Contender:
    """Return a contender that does the fit's steps and its validation, and nothing else."""
    trainer = config["trainer"]

    def act() -> Spent:
        module, optimizer, loaders = ours(config, source)
        loaders.train.set_epoch(0)
        cpu, wall = cpu_seconds(), time.perf_counter()
        for number, batch in enumerate(islice(loaders.train, trainer["limit_train_batches"])):
            with autocast(trainer["precision"]):
                loss = module.training_step(batch, number)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        module.eval()
        module.on_validation_epoch_start()
        with torch.inference_mode(), autocast(trainer["precision"]):
            for number, batch in enumerate(islice(loaders.val, trainer["limit_val_batches"])):
                module.validation_step(batch, number)
        module.evaluation.means("val")
        return Spent(cpu_seconds() - cpu, time.perf_counter() - wall)

    return act


if __name__ == "__main__":
    main()
