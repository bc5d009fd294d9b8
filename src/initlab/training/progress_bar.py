"""The bar of a run, in the display that the sweep may have opened."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import lightning

from initlab.progress import progress
from initlab.training.classifier import Classifier


class ProgressBar(lightning.Callback):
    """Show steps done, time left and the last accuracies.

    Args:
        title: what the bar is called.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._stack = ExitStack()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Open the bar."""
        self.display = self._stack.enter_context(progress())
        total = int(trainer.num_training_batches) * int(trainer.max_epochs or 1)
        self.bar = self.display.add_task(self.title, total=total, completed=trainer.global_step, note="")
        self._stack.callback(self.display.remove_task, self.bar)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Count one step."""
        self.display.update(self.bar, advance=1)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Show the accuracies of the epoch."""
        assert isinstance(pl_module, Classifier)
        metrics = pl_module.epoch_metrics()
        shown = [f"{key} {metrics[key]:.3f}" for key in ("train/acc", "val/acc") if key in metrics]
        note = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {'  '.join(shown)}"
        self.display.update(self.bar, note=note)

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Close the bar, whatever ended the run."""
        self._stack.close()
