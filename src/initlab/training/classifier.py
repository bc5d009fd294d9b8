"""A network, its loss and its optimizer, as Lightning trains them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlab.schedule.base import Schedule
from initlab.training.clipping import Clipping, NoClipping
from initlab.training.gradient_graph import GradientGraph
from initlab.training.group import ALONE, Group
from initlab.training.layout import layout

MakeGraph = Callable[..., GradientGraph]
MakeOptimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


class Sums:
    """Running sums of loss (nats) and hits, kept as tensors so that a step never waits for the device."""

    def __init__(self) -> None:
        self.loss: Tensor | float = 0.0
        self.hits: Tensor | int = 0
        self.count = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor, weight: float | None = None) -> None:
        """Add one batch, given its mean loss, its logits ``(N, K)`` and its labels ``(N,)``.

        ``weight`` makes the sum of the losses out of ``loss``, where that is no mean over these N.
        """
        self.loss = self.loss + loss.detach() * (len(labels) if weight is None else weight)
        self.hits = self.hits + (logits.detach().argmax(1) == labels).sum()
        self.count += len(labels)

    def of(self, group: Group) -> Sums:
        """Return those of all processes together."""
        if group.size == 1:
            return self
        whole = Sums()
        whole.loss, hits, count = group.sums([self.loss, self.hits, self.count])
        whole.hits, whole.count = int(hits), int(count)
        return whole

    def means(self, stage: str) -> dict[str, float]:
        """Return mean loss and accuracy (a fraction) under the stage's name."""
        return {f"{stage}/loss": float(self.loss) / self.count, f"{stage}/acc": float(self.hits) / self.count}


class Classifier(lightning.LightningModule):
    """Cross-entropy training of one network.

    Args:
        model: maps inputs to logits; initialized already.
        make_optimizer: makes the optimizer from the parameters; its ``lr`` is the base learning rate.
        schedule: gives the learning rate of each step.
        clipping: bounds the gradients before each step.
        make_graph: records a training step, to be replayed instead of carried out; None for none.

    Attributes:
        group: the processes that train it together, each on its share of every batch; losses and metrics are
            those of the whole batches.
        batch_size: gives the size of a whole training batch by its number; None for a process that is alone.
    """

    def __init__(
        self,
        model: nn.Module,
        make_optimizer: MakeOptimizer,
        schedule: Schedule,
        clipping: Clipping | None = None,
        make_graph: MakeGraph | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.make_optimizer = make_optimizer
        self.schedule = schedule
        self.clipping = clipping or NoClipping()
        self.arrange = layout(model)
        self.make_graph = make_graph
        self.graph: GradientGraph | None = None
        self.replayed = False  # whether the graph has carried out the step that is under way
        self.group = ALONE
        self.batch_size: Callable[[int], int] | None = None
        self.sums = Sums()
        self.metrics: dict[str, float] = {}  # of the epoch, for the callbacks
        self.samples_seen = 0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Make the optimizer, and remember each group's base rate."""
        optimizer = self.make_optimizer(self.model.parameters())
        for group in optimizer.param_groups:
            group["base_lr"] = group["lr"]
        return optimizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the sums, which an epoch that is interrupted goes on with."""
        sums = self.sums.of(self.group)
        checkpoint["sums"] = {"loss": sums.loss, "hits": sums.hits, "count": sums.count}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the sums up again; where an epoch starts they are dropped."""
        if not self.group.leads:
            return  # the first process goes on with the sums of all
        kept = checkpoint["sums"]
        self.sums.loss, self.sums.hits, self.sums.count = kept["loss"], kept["hits"], kept["count"]

    def on_train_epoch_start(self) -> None:
        """Start the sums."""
        self.sums, self.metrics = Sums(), {}

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the learning rate of the step."""
        num_batches = int(self.trainer.num_training_batches)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.schedule.lr(group["base_lr"], self.current_epoch, batch_idx, num_batches)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the mean cross-entropy (nats) of a batch."""
        inputs, labels = self.arrange(batch[0]), batch[1]
        if self.batch_size is not None:
            return self._step_of_share(inputs, labels, self.batch_size(batch_idx))
        if self.make_graph is not None and self.graph is None:
            self.graph = self.make_graph(self.model, self._evaluate, inputs, labels)
        replay = self.graph if self.graph is not None and self.graph.takes(inputs) else None
        self.replayed = replay is not None
        loss, logits = (replay or self._evaluate)(inputs, labels)
        self.sums.add(loss, logits, labels)
        self.samples_seen += len(labels)
        return loss

    def _step_of_share(self, inputs: Tensor, labels: Tensor, size: int) -> Tensor:
        """Return the loss of this process's share of a batch of ``size``.

        DDP takes the mean over processes of the gradients, which makes this the mean over the whole batch.
        """
        logits = self.model(inputs)
        weight = size / self.group.size
        loss = F.cross_entropy(logits, labels, reduction="sum") / weight
        self.sums.add(loss, logits, labels, weight)
        self.samples_seen += size
        return loss

    def _evaluate(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.model(inputs)
        return F.cross_entropy(logits, labels), logits

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: torch.optim.Optimizer) -> None:
        """Drop the gradients of the last step, unless they are this one's already."""
        if not self.replayed:
            optimizer.zero_grad()

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Take the gradients, unless a graph has."""
        if not self.replayed:
            loss.backward()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Bound the gradients of the step."""
        self.clipping(self.model)

    def epoch_metrics(self) -> dict[str, float]:
        """Return loss and accuracy of the epoch, training (taken while it trained) and validation, and lr."""
        lr = self.trainer.optimizers[0].param_groups[0]["lr"]
        return {**self.sums.of(self.group).means("train"), **self.metrics, "lr": lr}

    def on_train_epoch_end(self) -> None:
        """Give the loggers what the epoch's training came to."""
        self.log_dict({key: value for key, value in self.epoch_metrics().items() if key not in self.metrics})

    def on_validation_epoch_start(self) -> None:
        """Start the sums of an evaluation; the training sums are set aside."""
        self.evaluation = Sums()

    on_test_epoch_start = on_validation_epoch_start

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add one batch to the sums."""
        if len(batch[1]):  # a share of a small batch may be empty
            loss, logits = self._evaluate(self.arrange(batch[0]), batch[1])
            self.evaluation.add(loss, logits, batch[1])

    test_step = validation_step

    def on_validation_epoch_end(self) -> None:
        """Log validation loss and accuracy."""
        self.metrics = self.evaluation.of(self.group).means("val")
        self.log_dict(self.metrics)

    def on_test_epoch_end(self) -> None:
        """Log test loss and accuracy."""
        self.log_dict(self.evaluation.of(self.group).means("test"))
