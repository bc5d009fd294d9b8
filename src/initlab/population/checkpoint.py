"""The checkpoint of one member, in the form of a lone run's, so that either goes on from the other's.

A lone run writes ``last.ckpt`` by Lightning (:mod:`initlab.training.checkpoint`). What stands here is that
form: weights, momentum, and the counts from which Lightning's loops know where they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import torch
from torch import Tensor, nn

from initlab.population.sgd import SgdOptions


@dataclass
class Saved:
    """The state of a member.

    Args:
        epoch: epochs that are over.
        batch: batches of the next epoch that are done.
        num_batches: of an epoch.
        model: the network's ``state_dict``.
        direction: the optimizer's momentum of each parameter, in the network's order; None if it keeps none.
        best_acc: best validation accuracy so far, -1 before any.
        best_epoch: its epoch, -1 before any.
        sums: running sums of the epoch's training: ``loss`` (times examples), ``hits``, ``count``.
    """

    epoch: int
    batch: int
    num_batches: int
    model: Mapping[str, Tensor]
    direction: Sequence[Tensor] | None
    best_acc: float
    best_epoch: int
    sums: Mapping[str, Any]

    @property
    def step(self) -> int:
        """Number of steps taken."""
        return self.epoch * self.num_batches + self.batch

    def to_content(self, run_id: str, template: nn.Module, options: SgdOptions, lr: float) -> dict[str, Any]:
        """Return the content of ``last.ckpt``.

        Args:
            run_id: of the member.
            template: its network, whatever its values.
            options: of its optimizer.
            lr: of the last step.
        """
        return {
            "epoch": self.epoch if self.batch else self.epoch - 1,  # of the last step
            "global_step": self.step,
            "pytorch-lightning_version": metadata.version("lightning"),
            "state_dict": {f"model.{name}": value for name, value in self.model.items()},
            "loops": {"fit_loop": self._fit_loop()},
            "callbacks": {
                "Checkpoint": {"run_id": run_id, "best_acc": self.best_acc, "best_epoch": self.best_epoch}
            },
            "optimizer_states": [self._optimizer_state(template, options, lr)],
            "lr_schedulers": [],
            "rng": {"cpu": torch.get_rng_state(), "cuda": []},
            "sums": dict(self.sums),
        }

    @classmethod
    def of_content(cls, content: Mapping[str, Any], num_batches: int) -> Saved:
        """Read the content of ``last.ckpt``, of a lone run or of a member."""
        kept = content["callbacks"]["Checkpoint"]
        epoch = content["loops"]["fit_loop"]["epoch_progress"]["current"]["completed"]
        state = content["optimizer_states"][0]["state"]
        buffers = [state[index].get("momentum_buffer") for index in sorted(state)]
        model = content["state_dict"]
        return cls(
            epoch,
            content["global_step"] - epoch * num_batches,
            num_batches,
            {name.removeprefix("model."): value for name, value in model.items()},
            buffers if buffers and all(buffer is not None for buffer in buffers) else None,
            kept["best_acc"],
            kept["best_epoch"],
            content["sums"],
        )

    def _optimizer_state(self, template: nn.Module, options: SgdOptions, lr: float) -> dict[str, Any]:
        optimizer = torch.optim.SGD(template.parameters(), **vars(options), fused=True)
        state = optimizer.state_dict()
        state["param_groups"][0] |= {"base_lr": options.lr, "lr": lr}
        if options.momentum and self.direction is not None:
            state["state"] = {i: {"momentum_buffer": part} for i, part in enumerate(self.direction)}
        return state

    def _fit_loop(self) -> dict[str, Any]:
        """Count as Lightning does at the end of an epoch, or behind a batch within one.

        There it has not yet counted the batch as completed.
        """
        in_epoch = self.batch > 0
        done = self.batch or self.num_batches  # of the epoch of the last step
        late = int(in_epoch)
        started = self.epoch + late
        epochs = {"ready": started, "completed": self.epoch, "started": started, "processed": self.epoch}
        total, current = (
            {"ready": n, "completed": n - late, "started": n, "processed": n} for n in (self.step, done)
        )
        steps = {
            "total": {"ready": self.step, "completed": self.step},
            "current": {"ready": done, "completed": done},
        }
        zeroed = {part: {**counts, "started": counts["ready"]} for part, counts in steps.items()}
        nothing = {"ready": 0, "completed": 0}
        every = {**nothing, "started": 0, "processed": 0}
        unused = {"total": nothing, "current": nothing}
        return {
            "state_dict": {"combined_loader": [{"done": done}]},
            "epoch_loop.state_dict": {"_batches_that_stepped": self.step - late},
            "epoch_loop.batch_progress": {"total": total, "current": current, "is_last_batch": not in_epoch},
            "epoch_loop.scheduler_progress": unused,
            "epoch_loop.automatic_optimization.state_dict": {},
            "epoch_loop.automatic_optimization.optim_progress": {
                "optimizer": {"step": steps, "zero_grad": zeroed}
            },
            "epoch_loop.manual_optimization.state_dict": {},
            "epoch_loop.manual_optimization.optim_step_progress": unused,
            "epoch_loop.val_loop.state_dict": {},
            "epoch_loop.val_loop.batch_progress": {"total": every, "current": every, "is_last_batch": True},
            "epoch_progress": {"total": epochs, "current": epochs},
        }
