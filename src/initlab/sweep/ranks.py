"""How many processes carry out one run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from initlab.errors import ConfigError

STRATEGIES = ("auto", "ddp")


@dataclass(frozen=True)
class Ranks:
    """The processes of one run, each with a device of its own; they are numbered from 0, node by node.

    Args:
        per_node: on each node, ``trainer.devices``.
        nodes: ``trainer.num_nodes``.
    """

    per_node: int = 1
    nodes: int = 1

    @property
    def total(self) -> int:
        """All of them."""
        return self.per_node * self.nodes

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Ranks:
        """Read them from a configuration; only ``task=fit`` knows several.

        Raises:
            ConfigError: they are no number of processes, or a strategy is asked for that this is not, or a
                CUDA graph of several.
        """
        trainer = config.get("trainer", {})
        if config.get("task", {}).get("name", "fit") != "fit":
            return cls()
        devices = trainer.get("devices", 1)
        number = len(devices) if isinstance(devices, list) else devices
        nodes = trainer.get("num_nodes", 1)
        for key, value in (("devices", number), ("num_nodes", nodes)):
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"trainer.{key}={value}: must be a whole number >= 1, one process for each")
        if trainer.get("strategy", "auto") not in STRATEGIES:
            told = " or ".join(STRATEGIES)
            raise ConfigError(f"trainer.strategy={trainer['strategy']}: can be {told}")
        ranks = cls(number, nodes)
        if ranks.total > 1 and trainer.get("cuda_graphs", False):
            told = f"a graph is of one process, and this run has {ranks.total}"
            raise ConfigError(f"trainer.cuda_graphs=true: {told}")
        return ranks

    @classmethod
    def of_all(cls, configs: Iterable[Mapping[str, Any]]) -> Ranks:
        """Read them from the configurations of a sweep.

        Raises:
            ConfigError: as :meth:`of`, or they differ from run to run.
        """
        found = {cls.of(config) for config in configs} or {cls()}
        if len(found) > 1:
            numbers = ", ".join(sorted(str(ranks.per_node) for ranks in found))
            raise ConfigError(
                f"trainer.devices={numbers}: the runs of one sweep have the same number of processes"
            )
        return found.pop()
