"""Divergence is a result: a run whose loss is not finite stops and is recorded as diverged."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch import Tensor

from initlab.stopping import requested
from initlab.training.group import ALONE, Group


class Diverged(Exception):
    """The training loss became NaN or infinite."""

    def __init__(self, epoch: int, step: int) -> None:
        super().__init__(f"the loss was not finite at step {step} (epoch {epoch})")
        self.epoch, self.step = epoch, step


class Divergence(lightning.Callback):
    """Raise :class:`Diverged` at the first step whose loss is not finite.

    Args:
        every_n_steps: how often to look; None is every step, and every 50 steps on a GPU, where looking
            waits for the device. The step recorded is exact either way.
        group: the processes of the run, which look at the mean of their losses.
    """

    def __init__(self, every_n_steps: int | None = None, group: Group = ALONE) -> None:
        self.every_n_steps, self.group = every_n_steps, group
        self._losses: list[Tensor] = []

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Keep the loss; look at those kept when it is time, or before the run is stopped and saved."""
        self._losses.append(outputs["loss"].detach())
        number = self.every_n_steps or (1 if pl_module.device.type == "cpu" else 50)
        if len(self._losses) >= number or requested() is not None:
            self._look(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Look at what is left, so that no epoch ends, and no checkpoint is written, unseen."""
        self._look(trainer)

    def _look(self, trainer: lightning.Trainer) -> None:
        if not self._losses:
            return
        losses = self.group.mean(torch.stack(self._losses))
        bad = (~torch.isfinite(losses)).nonzero().flatten().tolist()
        first_step = trainer.global_step - len(self._losses)
        self._losses = []
        if bad:
            raise Diverged(trainer.current_epoch, first_step + bad[0])
