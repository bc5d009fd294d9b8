"""The runs of a sweep in groups that differ in the seed alone, and what each group shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev
from typing import Any, Literal

from initlab.report.evidence import Cell, Evidence, gather
from initlab.report.values import RATE, REPLICATE, label, rate_of, varying
from initlab.results.store import Store

Split = Literal["val", "test"]


@dataclass(frozen=True)
class Run:
    """One cell of a sweep.

    Args:
        run_id: of its folder.
        series: what is compared, in words: ``proposed``.
        lr: learning rate; None where neither the sweep nor a result tells it.
        seed: as the sweep gave it.
        status: of its result, or ``missing``.
        val: best validation accuracy, a fraction; None where it has none.
        test: test accuracy, a fraction; None where it has none.
    """

    run_id: str
    series: str
    lr: float | None
    seed: Any
    status: str
    val: float | None
    test: float | None


@dataclass(frozen=True)
class Group:
    """Runs of one series at one learning rate; they differ in the seed."""

    series: str
    lr: float | None
    runs: tuple[Run, ...]

    @property
    def finished(self) -> list[Run]:
        """The runs that came to their end and have a validation accuracy."""
        return [run for run in self.runs if run.status == "ok" and run.val is not None]

    def accuracies(self, split: Split) -> list[float]:
        """Return the accuracy of each finished run, as a fraction."""
        values = [run.val if split == "val" else run.test for run in self.finished]
        return [value for value in values if value is not None]

    def count(self, *statuses: str) -> int:
        """Return the number of runs with one of these statuses."""
        return sum(run.status in statuses for run in self.runs)

    @property
    def score(self) -> float | None:
        """Mean validation accuracy with a diverged run counted as 0; None where no run tells.

        Runs that crashed, were killed, refused or never ran say nothing about the learning rate.
        """
        values = self.accuracies("val") + [0.0] * self.count("diverged")
        return fmean(values) if values else None


@dataclass(frozen=True)
class Comparison:
    """A sweep, grouped.

    Args:
        evidence: the sweep and its results.
        axis: what the series differ in: ``init``, or ``init, warmup_epochs``.
        groups: in the order of the sweep, learning rates rising within a series.
    """

    evidence: Evidence
    axis: str
    groups: tuple[Group, ...]

    @property
    def name(self) -> str:
        """The name of the sweep."""
        return self.evidence.sweep

    @cached_property
    def series(self) -> tuple[str, ...]:
        """The names of the series, in the order of the sweep."""
        return tuple(dict.fromkeys(group.series for group in self.groups))

    @property
    def runs(self) -> list[Run]:
        """All runs of the sweep."""
        return [run for group in self.groups for run in group.runs]

    @cached_property
    def best(self) -> dict[str, Group]:
        """Each series at its best learning rate by :attr:`Group.score`; of equal ones the lowest."""
        best: dict[str, Group] = {}
        for group in self.groups:
            held = best.get(group.series)
            score = -1.0 if group.score is None else group.score
            held_score = -1.0 if held is None or held.score is None else held.score
            if held is None or score > held_score:
                best[group.series] = group
        return best

    @property
    def has_accuracy(self) -> bool:
        """Whether any run has an accuracy to show."""
        return any(group.finished for group in self.groups)

    def count(self, *statuses: str) -> int:
        """Return the number of runs with one of these statuses."""
        return sum(group.count(*statuses) for group in self.groups)

    @property
    def replicates(self) -> str:
        """Seeds per group, in digits: ``5``, or ``3 to 5``."""
        sizes = [len(group.runs) for group in self.groups]
        low, high = min(sizes, default=0), max(sizes, default=0)
        return str(low) if low == high else f"{low} to {high}"


def compare(store: Store, name: str) -> Comparison:
    """Group the cells of a sweep.

    The series are told apart by every axis that varies but ``lr`` and ``seed``; where none does, by init.

    Raises:
        NotFound: there is no sweep of that name.
        Damaged: its manifest cannot be read.
    """
    store.read_sweep(name)
    evidence = gather(name, "", store)
    axes = varying([cell.axes for cell in evidence.cells])
    compared = [axis for axis in axes if axis not in (RATE, REPLICATE)] or ["init"]
    series = _series(evidence.cells, compared)
    runs = [
        Run(
            run_id=cell.run_id,
            series=name,
            lr=rate_of(cell.value(RATE)),
            seed=cell.value(REPLICATE),
            status=cell.status,
            val=cell.metric("best/val_acc", "val/acc"),
            test=cell.metric("test/acc"),
        )
        for cell, name in zip(evidence.cells, series, strict=True)
    ]
    return Comparison(evidence, ", ".join(compared), _grouped(runs))


def _series(cells: Sequence[Cell], axes: Sequence[str]) -> list[str]:
    """Name the series of each cell, values in full where two would have the same name."""
    told = [_told(cell, axes) for cell in cells]
    names = [label(values) for values in told]
    meant: dict[str, set[str]] = {}
    for name, values in zip(names, told, strict=True):
        meant.setdefault(name, set()).add(repr(values))
    return [
        name if len(meant[name]) == 1 else ", ".join(f"{axis}={value}" for axis, value in values.items())
        for name, values in zip(names, told, strict=True)
    ]


def _told(cell: Cell, axes: Sequence[str]) -> dict[str, Any]:
    """Return the value of each axis, without settings that the option of the run does not have."""
    values = {axis: cell.value(axis) for axis in axes}
    return {
        axis: value
        for axis, value in values.items()
        if value is not None or axis in cell.axes or "." not in axis
    }


def _grouped(runs: Sequence[Run]) -> tuple[Group, ...]:
    gathered: dict[tuple[str, float | None], list[Run]] = {}
    for run in runs:
        gathered.setdefault((run.series, run.lr), []).append(run)
    order = {name: index for index, name in enumerate(dict.fromkeys(run.series for run in runs))}
    keys = sorted(gathered, key=lambda key: (order[key[0]], float("inf") if key[1] is None else key[1]))
    return tuple(Group(*key, tuple(gathered[key])) for key in keys)


def mean_and_sd(values: Sequence[float]) -> tuple[float, float | None] | None:
    """Return mean and sample standard deviation (n - 1; None for one value); None for no values."""
    if not values:
        return None
    return fmean(values), stdev(values) if len(values) > 1 else None
