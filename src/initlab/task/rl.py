"""``task=rl``: an actor-critic learns to play, by workers (A3C) or in this process (A2C)."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import initlab  # noqa: F401  (arms the torchvision cure before timm imports it)

# isort: split
import torch
from torch import nn

from initlab.model.base import check_positive
from initlab.progress import progress
from initlab.results.metrics_csv import MetricsCsv
from initlab.results.run_folder import RunFolder
from initlab.rl.actor import Actor
from initlab.rl.checkpoint import Checkpoint
from initlab.rl.crew import Alone, Crew, WorkerCrashed, WorkerDied, Workers
from initlab.rl.environment import Environment
from initlab.rl.flat import Flat
from initlab.rl.frames import Frames
from initlab.rl.learning import Diverged, Rate
from initlab.rl.options import Options
from initlab.rl.shared import Shared
from initlab.stopping import Stopped, deferred, requested
from initlab.task.build import build, build_init, build_model, build_network, generator, optimizer_maker
from initlab.task.device import choose_device, device_name, set_threads
from initlab.task.logger import build_log, recording
from initlab.task.resume import checkpoint_to_resume
from initlab.task.rl_source import rl_source
from initlab.task.run import Outcome
from initlab.training.log import Log

WHERE = ("epoch", "step", "lr", "seconds")  # of a row, and no metric of the run
MEANS = ("policy_loss", "value_loss", "entropy", "loss")  # over the updates of an epoch


def rl(config: Mapping[str, Any], folder: RunFolder) -> Outcome:
    """Train one network to play and return its metrics.

    Raises:
        InitlabError: a part cannot be built, or the checkpoint to go on from is missing or another run's.
        Refused: the init does not fit the norm or the network, or the norm looks at a batch.
        Stopped: a signal asked for it, or a worker was killed; the checkpoint is written.
    """
    source = rl_source(config)
    check_positive("epochs", config["epochs"])
    options, rate = source.options, rate_of(config)
    log = build_log(config, folder)
    checkpoint = Checkpoint(folder.path / "checkpoints", folder.run_id)
    resume = checkpoint_to_resume(config["ckpt_path"], checkpoint)
    device = choose_device(config["trainer"]["accelerator"])
    set_threads(config["trainer"]["num_threads"])
    network, shared, make = prepared(config, source, device)
    before = shared.counts()
    if resume is not None:
        content = checkpoint.read(resume)
        shared.load(content)
        before = content["before"]
    first = int(shared.counts()["frames"])
    outcome = Outcome(device=device_name(device))
    training = Training(config, shared, checkpoint, MetricsCsv(folder.metrics_path), log, before)
    clock = time.perf_counter()
    with recording(log, outcome), deferred():
        training.begin(network)
        try:
            with (
                closing(_crew(config, options, partial(make, first), shared, rate)) as crew,
                training.watched() as watch,
            ):
                while training.frames < training.total:
                    training.epoch(crew, watch, rate)
        except Diverged as error:
            epoch = training.frames // options.frames_per_epoch
            outcome.status, outcome.error = "diverged", f"{error} (epoch {epoch})"
            outcome.metrics = {"diverged/epoch": epoch, "diverged/step": error.step}
        except WorkerCrashed as error:
            outcome.status, outcome.error, outcome.traceback = "crashed", str(error), error.traceback
        outcome.metrics |= training.last
        outcome.samples_per_s = (training.frames - first) / (time.perf_counter() - clock)
    return outcome


def rate_of(config: Mapping[str, Any]) -> Rate:
    """Build the learning rate of the config."""
    return Rate(build(config["schedule"]), config["lr"], config["rl"]["frames_per_epoch"])


def prepared(
    config: Mapping[str, Any], source: Frames, device: torch.device
) -> tuple[nn.Module, Shared, Callable[[int, int], Actor]]:
    """Build what a run starts from: its network, what workers share, and what makes their actors.

    The last is :func:`make_actor` without its first arguments.
    """
    batch = source.loaders(config["batch_size"], config["seed"])
    network = build_network(config, source, build_init(config), batch)
    state = io.BytesIO()
    torch.save(network.state_dict(), state)
    shared = Shared(Flat(network).weights, optimizer_maker(config["optim"]))
    return network, shared, partial(make_actor, config, source, state.getvalue(), device)


def make_actor(
    config: Mapping[str, Any], source: Frames, state: bytes, device: torch.device, first: int, index: int
) -> Actor:
    """Make the actor of a worker, in its process.

    Args:
        config: of the run.
        source: of its environment.
        state: of the network, saved.
        device: where the network computes.
        first: the frame that the run begins with: one that is resumed plays other episodes.
        index: the worker's number.
    """
    options = source.options
    environment = Environment(options.environment, options.arguments, options.envs_of_a_process)
    network = build_model(config, source)
    network.load_state_dict(torch.load(io.BytesIO(state), weights_only=True))
    stream = partial(generator, config["seed"])
    seed = stream(f"worker/{index}/environment/{first}").initial_seed() % 2**31
    rng = stream(f"worker/{index}/actions/{first}")
    return Actor(environment, network.to(device), options, rng, seed, build(config["clipping"]))


def _crew(
    config: Mapping[str, Any], options: Options, make: Callable[[int], Actor], shared: Shared, rate: Rate
) -> Crew:
    if options.synchronous:
        return Alone(make, shared, rate)
    return Workers(make, shared, rate, options.num_workers, config["trainer"]["num_threads"] or 1)


class Training:
    """The epochs of a run, and what is written of each.

    Args:
        config: of the run.
        shared: by the workers.
        checkpoint: to write.
        table: of the epochs.
        log: told of each.
        before: the sums of ``shared`` when the epoch that it is in began.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        shared: Shared,
        checkpoint: Checkpoint,
        table: MetricsCsv,
        log: Log,
        before: Mapping[str, float],
    ) -> None:
        self.config, self.shared, self.checkpoint = config, shared, checkpoint
        self.table, self.log, self.before = table, log, before
        self.frames_per_epoch: int = config["rl"]["frames_per_epoch"]
        self.total = config["epochs"] * self.frames_per_epoch
        self.last: dict[str, float | int | None] = {}

    @property
    def frames(self) -> int:
        """How many are done."""
        return int(self.shared.counts()["frames"])

    def begin(self, network: nn.Module) -> None:
        """Drop the rows of epochs still to come, and tell the logger those that stay."""
        options = self.config["rl"]
        self.table.truncate(self.frames // self.frames_per_epoch)
        self.log.training(network, self.frames_per_epoch // (options["num_steps"] * options["num_envs"]))
        for row in self.table.rows():
            self._tell(row)
            self.last = self._last(row)

    @contextmanager
    def watched(self) -> Iterator[Callable[[], bool]]:
        """Open the run's bar; what is yielded moves it, and says whether the run is asked to stop."""
        names = " ".join(self.config[part]["name"] for part in ("rl", "model", "norm", "init"))
        with progress() as display:
            bar = display.add_task(
                f"{names} seed={self.config['seed']}", total=self.total, completed=self.frames
            )
            shown = self.frames

            def watch() -> bool:
                nonlocal shown
                if self.frames > shown:
                    told = self.last.get("train/return")
                    note = "" if told is None else f"return {told:.3g}"
                    display.update(bar, advance=self.frames - shown, note=note)
                    shown = self.frames
                return requested() is not None

            try:
                yield watch
            finally:
                display.remove_task(bar)

    def epoch(self, crew: Crew, watch: Callable[[], bool], rate: Rate) -> None:
        """Carry out one epoch, or what is left of it; write its row and the checkpoint.

        Raises:
            Stopped: a signal asked for it, or a worker was killed; the checkpoint is written.
            Diverged: a loss was not finite.
            WorkerCrashed: a worker raised.
        """
        first, clock = self.frames, time.perf_counter()
        number = first // self.frames_per_epoch
        end, death = (number + 1) * self.frames_per_epoch, None
        try:
            crew.epoch(end, watch)
        except WorkerDied as died:  # the others may have done the whole epoch without it
            death = str(died)
        if self.frames < end:
            self._write()
            raise self._stopped(death)
        seconds = time.perf_counter() - clock
        counts = self.shared.counts()
        done = {name: counts[name] - self.before[name] for name in counts}
        found = {
            "frames": self.frames,
            "episodes": int(counts["episodes"]),
            "train/return": done["return"] / done["episodes"] if done["episodes"] else None,
            "train/length": done["length"] / done["episodes"] if done["episodes"] else None,
            **{f"train/{name}": done[name] / done["updates"] for name in MEANS},
            "frames_per_s": round((self.frames - first) / seconds, 1),
        }
        lr = rate(number * self.frames_per_epoch)
        row = {"epoch": number, "step": int(counts["updates"]), "lr": lr, **found}
        row["seconds"] = round(seconds, 4)
        self.before = counts
        # In this order: a row without its checkpoint is dropped and written anew by the run that goes on
        # from an older one, and a checkpoint without its row would be an epoch that nobody can tell.
        self.table.append(row)
        self._write()
        self._tell(row)
        self.last = self._last(row)
        if self.frames < self.total and (death or requested() is not None):
            raise self._stopped(death)

    def _last(self, row: Mapping[str, Any]) -> dict[str, float | int | None]:
        """Return the metrics of a run whose last epoch has this row."""
        counts = self.shared.counts()
        metrics = {name: value for name, value in row.items() if name not in WHERE}
        # Of all episodes from the start: the earlier it is learned, the higher.
        metrics["train/mean_return"] = counts["return"] / counts["episodes"] if counts["episodes"] else None
        return metrics

    def _stopped(self, death: str | None) -> Stopped:
        return Stopped(death or f"stopped by {requested()} after frame {self.frames}")

    def _write(self) -> None:
        self.checkpoint.write({**self.shared.state(), "before": dict(self.before)})

    def _tell(self, row: Mapping[str, Any]) -> None:
        self.log.epoch(row)
        if self.log.lightning:
            numbers = {name: value for name, value in row.items() if value is not None}
            self.log.lightning.log_metrics(numbers, step=row["epoch"])
