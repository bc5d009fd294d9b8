"""Checkpoints: where to go on, and the weights of the best epoch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import lightning
import torch

from initlab import stopping
from initlab.errors import ConfigError
from initlab.training.classifier import Classifier
from initlab.training.group import ALONE, Group


class Checkpoint(lightning.Callback):
    """Write ``last.ckpt`` (everything) and ``best.ckpt`` (weights of the best validation accuracy).

    Both hold plain containers and tensors and load with ``weights_only=True``. Each is written beside its
    name and then renamed, so that a run killed while writing leaves the older file whole.

    A run that is asked to stop (:mod:`initlab.stopping`) writes ``last.ckpt`` at the end of its batch, or of
    its epoch when that was the last batch, and stops. One that goes on from there takes the next batch, in
    the state of torch's generators that was left.

    Args:
        folder: where the files go.
        run_id: written into ``last.ckpt``, so that no other configuration goes on from it.
        every_n_epochs: how often ``last.ckpt`` is written.
        group: the processes of the run; the first of them writes.
    """

    def __init__(self, folder: Path, run_id: str, every_n_epochs: int = 1, group: Group = ALONE) -> None:
        self.folder, self.group = folder, group
        self.run_id = run_id
        self.every_n_epochs = every_n_epochs
        self.best_acc = -1.0
        self.best_epoch = -1
        self._rng: dict[str, Any] | None = None

    @property
    def last(self) -> Path:
        """The file to go on from."""
        return self.folder / "last.ckpt"

    @property
    def best(self) -> Path:
        """The weights of the best epoch."""
        return self.folder / "best.ckpt"

    def check(self, path: Path) -> None:
        """Make sure that this run can go on from a file.

        Raises:
            ConfigError: the file is missing or damaged, or of another configuration.
        """
        if not path.exists():
            raise ConfigError(f"there is no checkpoint {path}")
        try:
            content = torch.load(path, weights_only=True, map_location="cpu", mmap=True)
            state = content["callbacks"][self.state_key]
        except Exception as error:  # torch raises whatever the damaged bytes lead it to
            raise ConfigError(
                f"the checkpoint {path} cannot be read; ckpt_path=null starts the run anew"
            ) from error
        if state["run_id"] != self.run_id:
            told = f"of run {state['run_id']}, not {self.run_id}"
            raise ConfigError(f"the checkpoint {path} is of another configuration: {told}")

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know: the run and its best epoch so far."""
        return {"run_id": self.run_id, "best_acc": self.best_acc, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best epoch of the run that is resumed."""
        self.best_acc, self.best_epoch = state_dict["best_acc"], state_dict["best_epoch"]

    def on_load_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep the state of the generators until training starts."""
        states = [checkpoint["rng"], *checkpoint.get("rng_of_others", [])] if "rng" in checkpoint else []
        self._rng = states[self.group.rank] if self.group.rank < len(states) else None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Put the generators back, and take the signals back from Lightning, which would exit at once."""
        stopping.listen()
        if self._rng is not None:
            torch.set_rng_state(self._rng["cpu"])
            if self._rng["cuda"]:
                torch.cuda.set_rng_state_all(self._rng["cuda"])

    def on_save_checkpoint(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the state of the generators, and write an epoch that has just ended as ended.

        Lightning counts it only after the callbacks, and a run that goes on from the count as it stands
        skips ``on_train_epoch_start`` of its first epoch.
        """
        for progress in ("total", "current"):
            counts = checkpoint["loops"]["fit_loop"]["epoch_progress"][progress]
            counts["completed"] = counts["processed"]
        own = {
            "cpu": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        }
        checkpoint["rng"], *others = self.group.objects(own)
        if others:
            checkpoint["rng_of_others"] = others

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Stop in mid-epoch if asked to; Lightning would leave out the validation after a last batch."""
        if stopping.requested() is not None and not trainer.is_last_batch:
            self._write_last(trainer)
            self._stop(trainer)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the files of the epoch."""
        assert isinstance(pl_module, Classifier)
        accuracy = pl_module.epoch_metrics().get("val/acc", float("nan"))
        if accuracy > self.best_acc:
            self.best_acc, self.best_epoch = accuracy, trainer.current_epoch
            if self.group.leads:
                self.folder.mkdir(parents=True, exist_ok=True)
                temporary = self.best.with_suffix(".tmp")
                torch.save(pl_module.model.state_dict(), temporary)
                os.replace(temporary, self.best)
            self.group.barrier()  # all will read it
        asked = stopping.requested() is not None
        if asked or (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._write_last(trainer)
        # What has come to its end is tested and recorded instead.
        if asked and trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            self._stop(trainer)

    def _write_last(self, trainer: lightning.Trainer) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.last.with_suffix(".tmp")
        trainer.save_checkpoint(temporary)
        if self.group.leads:
            os.replace(temporary, self.last)

    def _stop(self, trainer: lightning.Trainer) -> None:
        raise stopping.Stopped(f"stopped by {stopping.requested()} after step {trainer.global_step}")
