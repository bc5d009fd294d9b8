"""How the cells of a sweep are carried out. Here: one after another in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from initlab.errors import ConfigError
from initlab.results.lock import Held
from initlab.results.record import RunResult
from initlab.stopping import requested
from initlab.sweep.cell import Cell
from initlab.sweep.ranks import Ranks

Config = Mapping[str, Any]


class Run(Protocol):
    """A function that carries out one configuration, or the several of a pack."""

    __module__: str
    __qualname__: str

    def __call__(self, config: Any) -> Any:
        """Run one and return its record, or a list of them and return what became of each."""


Report = Callable[[RunResult | Held], None]
"""Told what became of a cell: its result, or that another process carries it out."""


def crashed(result: RunResult | Held) -> bool:
    """Whether a run ended in a crash."""
    return isinstance(result, RunResult) and result.status == "crashed"


def carry_out(run: Run, configs: Sequence[Config]) -> list[RunResult | Held]:
    """Carry out one run, or those of a pack, and return what became of each."""
    if len(configs) > 1:
        return list(run(list(configs)))
    try:
        return [run(configs[0])]
    except Held as held:
        return [held]


def in_process(run: Run, cells: Sequence[Cell], report: Report, fail_fast: bool) -> None:
    """Run each cell and report its result; a crash of one leaves the others alone, unless ``fail_fast``.

    Raises:
        ConfigError: a run wants several processes.
        KeyboardInterrupt: after a run was stopped from outside.
    """
    if (number := Ranks.of_all(cell.config for cell in cells).total) > 1:
        raise ConfigError(
            f"hydra/launcher=basic runs a sweep in this process, and each of its runs wants {number} "
            "(trainer.devices, trainer.num_nodes): take hydra/launcher=pool or slurm"
        )
    for cell in cells:
        results = carry_out(run, [member.config for member in cell.members])
        for result in results:
            report(result)
        if (signal := requested()) is not None:
            raise KeyboardInterrupt(f"stopped by {signal}")
        if fail_fast and any(crashed(result) for result in results):
            return
