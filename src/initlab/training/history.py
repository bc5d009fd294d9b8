"""The epochs of a run, as rows of ``metrics.csv``."""

from __future__ import annotations

import time

import lightning

from initlab.results.metrics_csv import MetricsCsv
from initlab.training.classifier import Classifier
from initlab.training.group import ALONE, Group
from initlab.training.log import Log


class History(lightning.Callback):
    """Append one row per epoch: epoch, step, lr, train and val loss and accuracy, seconds of both.

    A run that is resumed drops the rows of epochs that it trains again.

    Args:
        table: the rows.
        log: is told each row that is kept from before, when training starts, and each that is written.
        group: the processes of the run; the first of them writes.
    """

    def __init__(self, table: MetricsCsv, log: Log, group: Group = ALONE) -> None:
        self.table, self.group = table, group
        self.listener = log  # `log` is a name that Lightning gives every callback
        self.last: dict[str, float] = {}
        self._started = 0.0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Drop the rows of epochs still to come, and start the clock of an epoch begun before."""
        self._started = time.perf_counter()
        if self.group.leads:
            self.table.truncate(trainer.current_epoch)
        assert isinstance(pl_module, Classifier)
        self.listener.training(pl_module.model, int(trainer.num_training_batches))
        for row in self.table.rows():
            self.listener.epoch(row)

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the row."""
        assert isinstance(pl_module, Classifier)
        self.last = pl_module.epoch_metrics()
        seconds = time.perf_counter() - self._started
        row = {"epoch": trainer.current_epoch, "step": trainer.global_step, **self.last}
        row["seconds"] = round(seconds, 4)
        if self.group.leads:
            self.table.append(row)
        self.listener.epoch(row)
