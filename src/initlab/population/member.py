"""One run of a population."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from initlab.population.checkpoint import Saved
from initlab.population.sgd import SgdOptions
from initlab.results.metrics_csv import MetricsCsv
from initlab.schedule.base import Schedule


@dataclass(eq=False)
class Member:
    """What a run brings to a population, and what becomes of it there.

    Args:
        run_id: the one that the run has alone.
        seed: of the order and the augmentation of its data.
        model: its network, initialized.
        optimizer: its learning rate, momentum and weight decay.
        schedule: of its learning rate.
        folder: where its checkpoints go.
        table: where its epochs go.
        saved: where it goes on, or None to start.

    Attributes:
        best_acc: the best validation accuracy so far, -1 before any.
        best_epoch: its epoch.
        metrics: of the last epoch.
        diverged: epoch and step of its first loss that was not finite.
        samples_seen: training inputs.
        seconds: its share of the time that was spent, see :class:`Clock`.
        fit_seconds: of that, training and validation.
    """

    run_id: str
    seed: int
    model: nn.Module
    optimizer: SgdOptions
    schedule: Schedule
    folder: Path
    table: MetricsCsv
    saved: Saved | None = None
    best_acc: float = -1.0
    best_epoch: int = -1
    metrics: dict[str, float] = field(default_factory=dict)
    diverged: tuple[int, int] | None = None
    samples_seen: int = 0
    seconds: float = 0.0
    fit_seconds: float = 0.0

    @property
    def position(self) -> tuple[int, int]:
        """Epochs that are over, and batches that are done of the next one."""
        return (self.saved.epoch, self.saved.batch) if self.saved else (0, 0)

    @property
    def best(self) -> Path:
        """The weights of the best epoch."""
        return self.folder / "best.ckpt"

    @property
    def last(self) -> Path:
        """The file to go on from."""
        return self.folder / "last.ckpt"

    def write(self, path: Path, content: Any) -> None:
        """Write a checkpoint whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        torch.save(content, temporary)
        os.replace(temporary, path)


class Clock:
    """Divides the time that passes equally among those for whom it is spent."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def charge(self, members: Iterable[Member]) -> float:
        """Charge the time since the last charge, and return the share of each in seconds."""
        now, members = time.perf_counter(), list(members)
        share = (now - self._last) / max(1, len(members))
        self._last = now
        for member in members:
            member.seconds += share
        return share
