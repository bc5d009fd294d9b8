"""The processes that train one network together, and what they agree on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed

from initlab.stopping import SIGNALS


@dataclass(frozen=True)
class Group:
    """The group of a process; one that is alone is the whole of its group, and every method returns at once.

    What is summed is gathered first and added up in the order of the ranks, so that all come to the same
    number to the last bit, and to the same decision.

    Args:
        rank: of this process.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls) -> Group:
        """Meet the others, where the environment says."""
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        distributed.init_process_group(backend, rank=rank, world_size=size)
        return cls(rank, size)

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes the run's files."""
        return self.rank == 0

    def sums(self, values: Sequence[Any]) -> list[Any]:
        """Add numbers up over the processes, in float64."""
        if self.size == 1:
            return list(values)
        own = torch.tensor([float(value) for value in values], dtype=torch.float64)
        summed: list[float] = self._gathered(own).sum(0).tolist()
        return summed

    def mean(self, values: Tensor) -> Tensor:
        """Take the mean over the processes of each entry."""
        return values if self.size == 1 else self._gathered(values).mean(0)

    def signal(self, own: str | None) -> str | None:
        """Return the name of a signal that any of the processes has heard."""
        names = [number.name for number in SIGNALS]
        heard = self.sums([name == own for name in names])
        return next((name for name, count in zip(names, heard, strict=True) if count), None)

    def objects(self, own: Any) -> list[Any]:
        """Return what each process gives, by rank."""
        if self.size == 1:
            return [own]
        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, own)
        return found

    def barrier(self) -> None:
        """Wait for the others."""
        self.sums([0])

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Let rank 0 go through the block before the others: what it fetches they find."""
        if not self.leads:
            self.barrier()
        yield
        if self.leads:
            self.barrier()

    def _gathered(self, values: Tensor) -> Tensor:
        """Return the values of all, ``(size, *values.shape)``, on the CPU."""
        own = values.detach().to("cpu", torch.float64)
        found = [torch.empty_like(own) for _ in range(self.size)]
        distributed.all_gather(found, own)
        return torch.stack(found)


ALONE = Group()
