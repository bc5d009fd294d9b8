"""The LightningModule of the yardstick."""

from __future__ import annotations

from typing import Any

import initlab  # noqa: F401  (lets a CPU-only torch load torchvision)

# isort: split
import lightning
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from benchmarks.yardstick.networks import NUM_CLASSES

Batch = tuple[Tensor, Tensor]


class Module(lightning.LightningModule):
    """Cross-entropy training with SGD and half a cosine of the learning rate.

    Args:
        network: maps images to logits.
        lr: of the first epoch.
        epochs: until the learning rate is 0.
    """

    def __init__(self, network: nn.Module, lr: float, epochs: int) -> None:
        super().__init__()
        self.network, self.lr, self.epochs = network, lr, epochs
        stages = ("train", "val", "test")
        self.losses = nn.ModuleDict({f"{stage}_loss": MeanMetric() for stage in stages})
        self.accuracies = nn.ModuleDict(
            {f"{stage}_acc": MulticlassAccuracy(NUM_CLASSES, average="micro") for stage in stages}
        )

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the mean cross-entropy (nats) of a batch, and its logits."""
        images, labels = batch
        logits = self.network(images)
        return F.cross_entropy(logits, labels), logits

    def _step(self, batch: Batch, stage: str) -> Tensor:
        loss, logits = self.loss(batch)
        mean, accuracy = self.losses[f"{stage}_loss"], self.accuracies[f"{stage}_acc"]
        mean(loss.detach())
        accuracy(logits.detach(), batch[1])
        self.log(f"{stage}/loss", mean, on_step=False, on_epoch=True)
        self.log(f"{stage}/acc", accuracy, on_step=False, on_epoch=True)
        return loss

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a training batch."""
        return self._step(batch, "train")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add a batch of validation images to the metrics."""
        self._step(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Add a batch of test images to the metrics."""
        self._step(batch, "test")

    def configure_optimizers(self) -> dict[str, Any]:
        """Make torch's SGD and its cosine schedule."""
        optimizer = torch.optim.SGD(self.network.parameters(), self.lr, momentum=0.9, weight_decay=5e-4)
        return {
            "optimizer": optimizer,
            "lr_scheduler": torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.epochs),
        }
