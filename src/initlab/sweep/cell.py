"""A run of a sweep, as planned; the processes that carry it out need nothing of what planned it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Cell:
    """One run of a sweep, or the first of a pack (:mod:`initlab.sweep.pack`)."""

    arguments: tuple[str, ...]  # every override, as a single run would take them
    axes: Mapping[str, Any]  # the overrides that the sweep varies
    config: Mapping[str, Any]
    run_id: str
    others: tuple[Cell, ...] = ()  # those that are trained together with it

    @property
    def members(self) -> tuple[Cell, ...]:
        """All cells of the pack, this one first."""
        return (replace(self, others=()), *self.others)
