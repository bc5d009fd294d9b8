"""The training of a population: every member as it would be alone, a step of all as one computation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from initlab.data.base import Batches, Loaders
from initlab.data.resident import Resident
from initlab.data.together import Together
from initlab.errors import ConfigError
from initlab.population.checkpoint import Saved
from initlab.population.clipping import Clip, unclipped
from initlab.population.graph import StackGraph
from initlab.population.member import Clock, Member
from initlab.population.sgd import StackedSgd
from initlab.population.stack import Stack
from initlab.population.sums import Sums
from initlab.progress import progress
from initlab.stopping import Stopped, requested

Limit = int | float | None


@dataclass(frozen=True)
class Options:
    """What the members have in common.

    Args:
        epochs: length of the training.
        precision: as ``trainer.precision``.
        clip: bounds each member's gradient.
        look_every: steps between two looks at whether the losses are finite; looking waits for the device.
        save_every: epochs between two checkpoints.
        limit_train: batches of an epoch; None for all, a number of batches, or a share.
        limit_val: the same of a validation.
        limit_test: the same of the test.
        title: of the progress bar.
        make_graph: records a training step, to be replayed instead of carried out; None for none.
    """

    epochs: int
    precision: str = "32-true"
    clip: Clip = unclipped
    look_every: int = 1
    save_every: int = 1
    limit_train: Limit = None
    limit_val: Limit = None
    limit_test: Limit = None
    title: str = "population"
    make_graph: Callable[[Stack, Tensor, Tensor], StackGraph] | None = None


class Population:
    """Trains runs of one architecture together.

    Each member has its own batches, learning rate, checkpoints and rows of metrics, as it has alone. One
    whose loss is not finite leaves the population at once; the others go on as before.

    Args:
        members: at least one; all at the same position.
        loaders: of any member; the examples are shared.
        options: what the members have in common.
        clock: charges the members with the time that is spent.
        part: is given each member that diverges, when it leaves.

    Raises:
        ConfigError: the data are not resident, or an epoch has no batch.
    """

    def __init__(
        self,
        members: Sequence[Member],
        loaders: Loaders,
        options: Options,
        clock: Clock | None = None,
        part: Callable[[Member], None] = lambda member: None,
    ) -> None:
        first = resident(loaders)
        self.members, self.loaders, self.options = list(members), loaders, options
        self.clock, self.part = clock or Clock(), part
        device = first.examples.inputs.device
        self.stack = Stack([member.model for member in members], device, options.precision)
        self.graph: StackGraph | None = None
        self.sgd = StackedSgd(self.stack.parameters, [member.optimizer for member in members])
        self.stream = Together([first.reseeded(member.seed) for member in members])
        self.num_batches = limited(len(self.stream), options.limit_train)
        if not self.num_batches:
            raise ConfigError(f"trainer.limit_train_batches={options.limit_train}: that is no batch at all")
        # As many inputs at a time as a training step keeps the activations of.
        val = loaders.val
        evaluated = min(val.batch_size, len(val.examples)) if isinstance(val, Resident) else len(members)
        self.at_a_time = max(1, len(members) * first.batch_size // evaluated)
        self.epoch, self.done = members[0].position
        self.lr = torch.zeros(1, len(members))
        self.sums = Sums(self.stack.parameters)
        self._losses: list[Tensor] = []
        for row, member in enumerate(members):
            if member.saved is not None:
                self._take_up(row, member, member.saved)

    def train(self) -> None:
        """Train to the end; those that diverge on the way are no longer among ``members``.

        Raises:
            Stopped: the process was asked to stop; every member has saved itself.
        """
        self.clock.charge(self.members)
        for member in self.members:
            member.table.truncate(self.epoch)
        with progress() as display:
            total = self.num_batches * self.options.epochs
            bar = display.add_task(self.options.title, total=total, completed=self._step, note="")
            try:
                while self.epoch < self.options.epochs and self.members:
                    for _ in self._batches():
                        display.update(bar, advance=1)
                    if not self.members:
                        break
                    self._end_epoch()
                    accuracies = [member.metrics.get("val/acc", float("nan")) for member in self.members]
                    best = f"best val/acc {max(accuracies):.3f}"
                    note = f"epoch {self.epoch}/{self.options.epochs}  {len(self.members)} runs  {best}"
                    display.update(bar, note=note)
            finally:
                display.remove_task(bar)

    def test(self) -> None:
        """Test the weights of each member's best epoch."""
        for row, member in enumerate(self.members):
            if member.best_epoch >= 0:
                self.stack.load_state_dict(row, torch.load(member.best, weights_only=True))
                member.metrics |= {"best/val_acc": member.best_acc, "best/epoch": member.best_epoch}
        for member, tested in zip(
            self.members, self._evaluate(self.loaders.test, self.options.limit_test, "test"), strict=True
        ):
            member.metrics |= tested
        self.clock.charge(self.members)

    @property
    def _step(self) -> int:
        return self.epoch * self.num_batches + self.done

    def _batches(self) -> Iterator[None]:
        """Take the steps that are left of an epoch."""
        self.stream.set_epoch(self.epoch)
        if not self.done:
            self.sums = Sums(self.stack.parameters)
        schedules = [(member.schedule, member.optimizer.lr) for member in self.members]
        self.lr = self._tensor(
            [
                [s.lr(base, self.epoch, i, self.num_batches) for s, base in schedules]
                for i in range(self.num_batches)
            ]
        )
        while self.done < self.num_batches and self.members:
            self._train_step(*self.stream.batch(self.done), self.lr[self.done])
            self.done += 1
            asked = requested() is not None
            last = self.done == self.num_batches
            if len(self._losses) >= self.options.look_every or asked or last:
                self._look()
            if asked and not last and self.members:  # after a last batch the epoch is ended first
                self._stop()
            yield

    def _train_step(self, inputs: Tensor, labels: Tensor, lr: Tensor) -> None:
        if self.options.make_graph is not None and self.graph is None:
            self.graph = self.options.make_graph(self.stack, inputs, labels)
        step = self.graph if self.graph is not None and self.graph.takes(inputs) else self.stack
        losses, logits, gradients = step.gradients(inputs, labels)
        self.sgd.step(self.options.clip(gradients), lr)
        self.sums.add(losses, logits, labels)
        self._losses.append(losses.clone())  # a graph writes the next ones to the same place
        for member in self.members:
            member.samples_seen += labels.shape[1]

    def _look(self) -> None:
        """Part with members whose loss was not finite at a step since the last look."""
        finite = torch.isfinite(torch.stack(self._losses)).cpu()
        first = self._step - len(self._losses)
        self._losses = []
        if bool(finite.all()):
            return
        self._charge()
        rows = []
        for row, member in enumerate(self.members):
            bad = (~finite[:, row]).nonzero().flatten().tolist()
            if bad:
                member.diverged = (self.epoch, first + bad[0])
                self.part(member)
            else:
                rows.append(row)
        self._keep(rows)

    def _keep(self, rows: list[int]) -> None:
        self.members = [self.members[row] for row in rows]
        if not rows:
            return
        index = torch.tensor(rows, device=self.stack.device)
        self.stack.keep(rows)
        self.graph = None  # it knew the memory of all
        self.sgd.keep(rows, self.stack.parameters)
        self.stream.keep(rows)
        self.sums.keep(index)
        self.lr = self.lr[:, index]

    def _end_epoch(self) -> None:
        """Validate, write the rows and the checkpoints of the epoch, and count it as over."""
        trained = self.sums.means("train")
        validated = self._evaluate(self.loaders.val, self.options.limit_val, "val")
        rates = self._rates()
        share = self._charge()
        step = self._step
        epoch, self.epoch, self.done = self.epoch, self.epoch + 1, 0
        for row, member in enumerate(self.members):
            member.metrics = {**trained[row], **validated[row], "lr": rates[row]}
            told = {"epoch": epoch, "step": step, **member.metrics, "seconds": round(share, 4)}
            member.table.append(told)
            accuracy = member.metrics.get("val/acc", float("nan"))
            if accuracy > member.best_acc:
                member.best_acc, member.best_epoch = accuracy, epoch
                member.write(member.best, self.stack.state_dict(row))
        asked = requested() is not None
        if asked or self.epoch % self.options.save_every == 0:
            self._save(rates)
        self._charge()
        if asked and self.epoch < self.options.epochs:  # what has come to its end is tested instead
            raise self._stopped()

    def _stop(self) -> None:
        self._save(self._rates())
        self._charge()
        raise self._stopped()

    def _stopped(self) -> Stopped:
        return Stopped(f"stopped by {requested()} after step {self._step}")

    def _charge(self) -> float:
        share = self.clock.charge(self.members)
        for member in self.members:
            member.fit_seconds += share
        return share

    def _rates(self) -> list[float]:
        """Return the learning rate of each member's last step."""
        return [
            member.schedule.lr(member.optimizer.lr, self.epoch, self.done - 1, self.num_batches)
            for member in self.members
        ]

    def _save(self, rates: Sequence[float]) -> None:
        losses, hits = self.sums.loss.cpu(), self.sums.hits.cpu()
        for row, member in enumerate(self.members):
            saved = Saved(
                self.epoch,
                self.done,
                self.num_batches,
                self.stack.state_dict(row),
                [part.clone() for part in self.stack.named(self.sgd.direction[row]).values()],
                member.best_acc,
                member.best_epoch,
                {"loss": losses[row].clone(), "hits": hits[row].clone(), "count": self.sums.count},
            )
            content = saved.to_content(member.run_id, self.stack.template, member.optimizer, rates[row])
            member.write(member.last, content)

    def _take_up(self, row: int, member: Member, saved: Saved) -> None:
        self.stack.load_state_dict(row, saved.model)
        if saved.direction is not None:
            self.sgd.direction[row] = torch.cat([part.flatten() for part in saved.direction])
        member.best_acc, member.best_epoch = saved.best_acc, saved.best_epoch
        self.sums.loss[row], self.sums.hits[row] = saved.sums["loss"], saved.sums["hits"]
        self.sums.count = saved.sums["count"]

    def _evaluate(self, batches: Batches, limit: Limit, stage: str) -> list[dict[str, float]]:
        """Return loss (nats) and accuracy (a fraction) of each member on a stream, under the stage's name."""
        number = limited(len(batches), limit)
        if not number:
            return [{} for _ in self.members]
        sums = Sums(self.stack.parameters)
        for inputs, labels in islice(batches, number):
            sums.add(*self.stack.evaluate(inputs, labels, self.at_a_time), labels)
        return sums.means(stage)

    def _tensor(self, values: list[list[float]]) -> Tensor:
        return torch.tensor(values, dtype=self.stack.parameters.dtype, device=self.stack.device)


def resident(loaders: Loaders) -> Resident:
    """Return the training stream, whose examples all members share.

    Raises:
        ConfigError: the data are not resident.
    """
    if not isinstance(loaders.train, Resident):
        raise ConfigError(
            "sweep.population: these data are read by worker processes, run by run; leave it at null"
        )
    return loaders.train


def limited(number: int, limit: Limit) -> int:
    """Return how many of a number of batches are taken, as Lightning's ``limit_*_batches`` says it."""
    if limit is None:
        return number
    return int(number * limit) if isinstance(limit, float) else min(number, limit)
