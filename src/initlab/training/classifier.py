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
from initlab.training.layout import layout

MakeOptimizer = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


class Sums:
    """Running sums of loss (nats) and hits, kept as tensors so that a step never waits for the device."""

    def __init__(self) -> None:
        self.loss: Tensor | float = 0.0
        self.hits: Tensor | int = 0
        self.count = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add one batch, given its mean loss, its logits ``(N, K)`` and its labels ``(N,)``."""
        self.loss = self.loss + loss.detach() * len(labels)
        self.hits = self.hits + (logits.detach().argmax(1) == labels).sum()
        self.count += len(labels)

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
    """

    def __init__(
        self,
        model: nn.Module,
        make_optimizer: MakeOptimizer,
        schedule: Schedule,
        clipping: Clipping | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.make_optimizer = make_optimizer
        self.schedule = schedule
        self.clipping = clipping or NoClipping()
        self.arrange = layout(model)
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
        sums = self.sums
        checkpoint["sums"] = {"loss": sums.loss, "hits": sums.hits, "count": sums.count}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the sums up again; where an epoch starts they are dropped."""
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
        inputs, labels = batch
        logits = self.model(self.arrange(inputs))
        loss = F.cross_entropy(logits, labels)
        self.sums.add(loss, logits, labels)
        self.samples_seen += len(labels)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Bound the gradients of the step."""
        self.clipping(self.model)

    def epoch_metrics(self) -> dict[str, float]:
        """Return loss and accuracy of the epoch, training (taken while it trained) and validation, and lr."""
        lr = self.trainer.optimizers[0].param_groups[0]["lr"]
        return {**self.sums.means("train"), **self.metrics, "lr": lr}

    def on_train_epoch_end(self) -> None:
        """Give the loggers what the epoch's training came to."""
        self.log_dict({key: value for key, value in self.epoch_metrics().items() if key not in self.metrics})

    def on_validation_epoch_start(self) -> None:
        """Start the sums of an evaluation; the training sums are set aside."""
        self.evaluation = Sums()

    on_test_epoch_start = on_validation_epoch_start

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add one batch to the sums."""
        inputs, labels = batch
        logits = self.model(self.arrange(inputs))
        self.evaluation.add(F.cross_entropy(logits, labels), logits, labels)

    test_step = validation_step

    def on_validation_epoch_end(self) -> None:
        """Log validation loss and accuracy."""
        self.metrics = self.evaluation.means("val")
        self.log_dict(self.metrics)

    def on_test_epoch_end(self) -> None:
        """Log test loss and accuracy."""
        self.log_dict(self.evaluation.means("test"))
