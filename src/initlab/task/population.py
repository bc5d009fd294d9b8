"""Several fits of one architecture, carried out together; each leaves what it would leave alone."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

import torch

from initlab.data.base import Loaders, Source
from initlab.errors import InitlabError, Refused
from initlab.population.checkpoint import Saved
from initlab.population.clipping import by_norm, unclipped
from initlab.population.graph import StackGraph
from initlab.population.member import Clock, Member
from initlab.population.population import Options, Population, limited, resident
from initlab.population.sgd import SgdOptions
from initlab.results.identity import run_id
from initlab.results.lock import Held, Lock
from initlab.results.metrics_csv import MetricsCsv
from initlab.results.record import RunResult, Status
from initlab.results.run_folder import RunFolder
from initlab.stopping import Stopped, deferred, listening
from initlab.task.build import build, build_init, build_network, build_source
from initlab.task.device import check_cuda_graphs, choose_device, device_name, set_threads
from initlab.task.resume import checkpoint_to_resume
from initlab.task.run import Outcome, record
from initlab.training.checkpoint import Checkpoint
from initlab.training.clipping import NormClipping


def run_population(configs: Sequence[Mapping[str, Any]]) -> list[RunResult | Held]:
    """Carry out runs of one architecture together and record each as :func:`initlab.task.run_task` does.

    A run that its init refuses, that cannot be built, that diverges, that has its result already or is
    carried out elsewhere leaves the others alone. What goes wrong in the computation that they share is a
    crash of all that are in it. Runs that go on from different places are trained by turns.

    Args:
        configs: equal but for what :mod:`initlab.sweep.pack` lets differ.

    Returns:
        What became of each, in their order.

    Raises:
        InitlabError: the configuration, the data or the output folder is at fault; of the runs that have not
            ended nothing is recorded.
        KeyboardInterrupt: after those that have not ended were recorded as killed.
    """
    started, clock = datetime.now(UTC), Clock()
    runs = [_Run(config, started) for config in configs]
    interrupt: BaseException | None = None
    with ExitStack() as locks:
        for run in runs:
            run.open(locks)
        try:
            with listening():
                _carry_out([run for run in runs if run.result is None], clock)
        except InitlabError:
            for run in runs:
                run.discard()
            raise
        except Stopped as stop:
            _end(runs, "killed", Outcome(error=str(stop)))
        except KeyboardInterrupt as error:
            interrupt = error
            _end(runs, "killed", Outcome(error="interrupted"))
        except (Exception, SystemExit) as error:
            _end(runs, "crashed", _crash(error))
    if interrupt is not None:
        raise interrupt
    return [run.result for run in runs if run.result is not None]


class _Run:
    """One run, its folder and its lock."""

    def __init__(self, config: Mapping[str, Any], started: datetime) -> None:
        self.config, self.started = config, started
        self.folder = RunFolder(config["paths"]["output_dir"], run_id(config))
        self.result: RunResult | Held | None = None
        self.member: Member | None = None
        self.population = 1

    def open(self, locks: ExitStack) -> None:
        """Take the folder, unless the run is done or another process has it."""
        self.folder.create()
        try:
            self.lock = locks.enter_context(Lock(self.folder.path))
        except Held as held:
            self.result = held
            return
        self.new = not self.folder.config_path.exists()
        self.result = self.folder.finished(self.config["sweep"]["retry"])
        if self.result is None:
            self.folder.begin()
            self.folder.write_config(self.config)

    def end(self, status: Status, outcome: Outcome) -> None:
        """Record what became of it; the first end counts."""
        if self.result is not None:
            return
        if outcome.traceback is not None:
            self.folder.write_error(outcome.traceback)
        member = self.member
        wall_s = 0.0 if member is None else member.seconds
        try:
            self.result = record(
                self.config, self.folder, self.lock, outcome, status, self.started, wall_s, self.population
            )
        except Held as held:
            self.result = held

    def discard(self) -> None:
        """Take the folder away if the run never began."""
        if self.result is None and self.new:
            self.folder.discard()

    def build(self, source: Source, loaders: Loaders) -> Member:
        """Build and initialize the network, and find where the run goes on.

        Raises:
            InitlabError: a part cannot be built, or the checkpoint to go on from is missing or another run's.
            Refused: the init does not fit the norm or the network.
        """
        config, train = self.config, resident(loaders)
        init, schedule = build_init(config), build(config["schedule"])
        checkpoint = Checkpoint(
            self.folder.path / "checkpoints", self.folder.run_id, **config["callback"]["checkpoint"]
        )
        resume = checkpoint_to_resume(config["ckpt_path"], checkpoint)
        own = Loaders(train.reseeded(config["seed"]), loaders.val, loaders.test)
        model = build_network(config, source, init, own)
        saved = None
        if resume is not None:
            content = torch.load(resume, weights_only=True, map_location="cpu")
            number = limited(len(train), config["trainer"]["limit_train_batches"])
            saved = Saved.of_content(content, number)
        optimizer = {
            key: config["optim"][key] for key in SgdOptions.__annotations__ if key in config["optim"]
        }
        table = MetricsCsv(self.folder.metrics_path)
        return Member(
            self.folder.run_id,
            config["seed"],
            model,
            SgdOptions(**optimizer),
            schedule,
            checkpoint.folder,
            table,
            saved,
        )


def _end(runs: Sequence[_Run], status: Status, outcome: Outcome) -> None:
    for run in runs:
        run.end(status, outcome)


def _crash(error: BaseException) -> Outcome:
    told = f"{type(error).__name__}: {error}".splitlines()[0]
    return Outcome(error=told, traceback=traceback.format_exc())


def _carry_out(runs: Sequence[_Run], clock: Clock) -> None:
    """Build, train and test the runs, and record each as it ends."""
    if not runs:
        return
    config = runs[0].config
    check_cuda_graphs(config["trainer"])
    set_threads(config["trainer"]["num_threads"])
    torch.backends.cudnn.allow_tf32 = False  # precision 32-true means 32 bits, in convolutions too
    device = choose_device(config["trainer"]["accelerator"])
    source = build_source(config)
    loaders = source.loaders(config["batch_size"], seed=config["seed"], device=device)
    resident(loaders)
    options = _options(config, device)
    built = [run for run in runs if _built(run, source, loaders, clock)]
    place = attrgetter("member.position")
    for _, group in groupby(sorted(built, key=place), place):
        _train(list(group), loaders, options, clock, device_name(device))


def _built(run: _Run, source: Source, loaders: Loaders, clock: Clock) -> bool:
    """Build one run; record it where it cannot be built."""
    try:
        run.member = run.build(source, loaders)
    except Refused as refusal:
        run.end("refused", Outcome(error=str(refusal)))
        return False
    except InitlabError:
        raise
    except Exception as error:
        run.end("crashed", _crash(error))
        return False
    clock.charge([run.member])
    return True


def _train(runs: list[_Run], loaders: Loaders, options: Options, clock: Clock, device: str) -> None:
    """Train and test runs that are at the same place."""
    by_member = {run.member: run for run in runs if run.member is not None}
    for run in runs:
        run.population = len(runs)

    def outcome(member: Member) -> Outcome:
        rate = member.samples_seen / member.fit_seconds if member.fit_seconds else None
        return Outcome(metrics=dict(member.metrics), device=device, samples_per_s=rate)

    def part(member: Member) -> None:
        assert member.diverged is not None
        epoch, step = member.diverged
        told = outcome(member)
        told.metrics = {"diverged/epoch": epoch, "diverged/step": step} | told.metrics
        told.error = f"the loss was not finite at step {step} (epoch {epoch})"
        by_member[member].end("diverged", told)

    population = Population(list(by_member), loaders, options, clock, part)
    with deferred():  # a population that is asked to stop ends its batch and saves its members
        population.train()
    if population.members:
        population.test()
    for member in population.members:
        by_member[member].end("ok", outcome(member))


def _options(config: Mapping[str, Any], device: torch.device) -> Options:
    trainer, clipping = config["trainer"], build(config["clipping"])
    return Options(
        epochs=config["epochs"],
        precision=str(trainer["precision"]),
        clip=by_norm(clipping.max_norm) if isinstance(clipping, NormClipping) else unclipped,
        look_every=config["callback"]["divergence"]["every_n_steps"] or (1 if device.type == "cpu" else 50),
        save_every=config["callback"]["checkpoint"]["every_n_epochs"],
        limit_train=trainer["limit_train_batches"],
        limit_val=trainer["limit_val_batches"],
        limit_test=trainer["limit_test_batches"],
        title=f"{config['model']['name']} population",
        make_graph=StackGraph if trainer["cuda_graphs"] else None,
    )
