"""The runs of a sweep in groups that differ in the seed alone, and what each group shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev
from typing import Any, Literal

from initlab.results.store import MISSING, Store

Split = Literal["val", "test"]
REPLICATE = "seed"
RATE = "lr"
LONGEST_LIST = 4
NAMED_GROUPS = frozenset({"init", "norm", "model", "data", "task", "optim", "schedule", "diagnostic", "rl"})


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
        code: the uncommitted changes of the code that made it, as a digest; None where there were none.
    """

    run_id: str
    series: str
    lr: float | None
    seed: Any
    status: str
    val: float | None
    test: float | None
    code: str | None = None


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
        name: of the sweep.
        command: that ran it.
        axis: what the series differ in: ``init``, or ``init, warmup_epochs``.
        groups: in the order of the sweep, learning rates rising within a series.
        settings: what all runs share, in words.
    """

    name: str
    command: str
    axis: str
    groups: tuple[Group, ...]
    settings: tuple[str, ...]

    @cached_property
    def series(self) -> tuple[str, ...]:
        """The names of the series, in the order of the sweep."""
        return tuple(dict.fromkeys(group.series for group in self.groups))

    @property
    def runs(self) -> list[Run]:
        """All runs of the sweep."""
        return [run for group in self.groups for run in group.runs]

    @property
    def mixed(self) -> list[Group]:
        """The groups whose finished runs were made by code that was changed, uncommitted, in between."""
        return [group for group in self.groups if len({run.code for run in group.finished}) > 1]

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
    manifest = store.read_sweep(name)
    cells = manifest["cells"]
    results = store.get(dict.fromkeys(cell["run_id"] for cell in cells))
    axes = varying([cell["overrides"] for cell in cells])
    compared = [axis for axis in axes if axis not in (RATE, REPLICATE)] or ["init"]
    configs = [result.config for result in results.values()]
    # A cell that has not run, and whose overrides do not say, is like the others where they all agree.
    usual = {axis: one({text(look_up(config, axis)) for config in configs}) for axis in [RATE, *compared]}
    runs = []
    for cell in cells:
        overrides, result = cell["overrides"], results.get(cell["run_id"])
        config = result.config if result else usual
        metrics = result.metrics if result else {}
        runs.append(
            Run(
                run_id=cell["run_id"],
                series=label(_told(overrides, config, compared)),
                lr=rate_of(overrides.get(RATE, look_up(config, RATE))),
                seed=overrides.get(REPLICATE, result.seed if result else None),
                status=result.status if result else MISSING,
                val=first(metrics, "best/val_acc", "val/acc"),
                test=first(metrics, "test/acc"),
                code=result.git.get("diff") if result else None,
            )
        )
    return Comparison(
        name=name,
        command=str(manifest.get("command") or ""),
        axis=", ".join(compared),
        groups=_grouped(runs),
        settings=shared_settings(configs),
    )


def _told(overrides: Mapping[str, Any], config: Mapping[str, Any], axes: Sequence[str]) -> dict[str, Any]:
    """Return the value of each axis, without settings that the option of the run does not have."""
    values = {axis: overrides.get(axis, look_up(config, axis)) for axis in axes}
    return {
        axis: value
        for axis, value in values.items()
        if value is not None or axis in overrides or "." not in axis
    }


def varying(overrides: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys that do not have the same value in every cell, in the order they appear."""
    keys = dict.fromkeys(key for cell in overrides for key in cell)
    return [key for key in keys if len({repr(number(cell.get(key))) for cell in overrides}) > 1]


def number(value: Any) -> Any:
    """Return the number that a text writes, else the value itself; ``"0.10"`` and 0.1 are one value."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def plain(value: Any) -> Any:
    """Return a value in one way however it came: a number, a tuple for a list or its text, or itself."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return value
    return tuple(map(plain, value)) if isinstance(value, list) else number(value)


def first(metrics: Mapping[str, Any], *names: str) -> float | None:
    """Return the first of these metrics that has a value."""
    return next((metrics[name] for name in names if metrics.get(name) is not None), None)


def one(values: set[Any]) -> Any:
    """Return the only element, or None."""
    return next(iter(values)) if len(values) == 1 else None


def mean_and_sd(values: Sequence[float]) -> tuple[float, float | None] | None:
    """Return mean and sample standard deviation (n - 1; None for one value); None for no values."""
    if not values:
        return None
    return fmean(values), stdev(values) if len(values) > 1 else None


def shared_settings(configs: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Say in words what all runs share: data, model with its sizes, norm, epochs, batch size."""
    shared: list[str] = []
    for group in ("rl", "data", "model", "norm", "init"):
        # An agent has the frames of its game for data.
        having = [config for config in configs if group != "data" or "rl" not in config]
        options = [config.get(group) for config in having]
        names = {option.get("name") for option in options if isinstance(option, Mapping)}
        name = one(names)
        if name is None or group == "init":
            continue
        sizes = []
        if group == "model":
            keys = [key for key, value in options[0].items() if isinstance(value, int)] if options[0] else []
            for key in keys:
                size = one({option.get(key) for option in options if isinstance(option, Mapping)})
                if size is not None and not isinstance(size, bool):
                    sizes.append(f"{key} {size}")
        shared.append(f"{group} {name}" + (f" ({', '.join(sizes)})" if sizes else ""))
    trained = [config for config in configs if "probe" not in str(look_up(config, "task"))]
    for key in ("epochs", "batch_size") if trained else ("batch_size",):
        value = one({repr(config.get(key)) for config in configs})
        if value not in (None, "None"):
            shared.append(f"{key.replace('_', ' ')} {value}")
    return tuple(shared)


def rate_of(value: Any) -> float | None:
    """Return the learning rate that a config or an override writes; None for what is no number."""
    rate = number(value)
    return rate if isinstance(rate, float) else None


def label(values: Mapping[str, Any]) -> str:
    """Name a series by its values: an option by its name alone, ``proposed, warmup_epochs=2``."""
    words = [
        text(value) if axis in NAMED_GROUPS else f"{axis.rpartition('.')[2]}={text(value)}"
        for axis, value in values.items()
    ]
    return ", ".join(words)


def text(value: Any) -> str:
    """Write a value: a number in one way however it came, ``?`` for None."""
    if value is None:
        return "?"
    if isinstance(value, (list, tuple)):
        return list_in_words(value)
    value = number(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def list_in_words(values: Sequence[Any]) -> str:
    """Write a short list, and a long one of numbers as their count and mean: ``20 values around 201``."""
    numbers = [value for value in values if isinstance(value, (int, float))]
    if len(values) <= LONGEST_LIST or len(numbers) < len(values):
        return f"[{', '.join(map(text, values))}]"
    return f"{len(values)} values around {float(f'{fmean(numbers):.3g}'):g}"  # 1010, and not 1.01e+03


def look_up(config: Mapping[str, Any], key: str) -> Any:
    """Return the value at a dotted key, a group's option by its name; None where there is none."""
    if key in config and not isinstance(config[key], Mapping):
        return config[key]
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value.get("name") if isinstance(value, Mapping) else value


def _grouped(runs: Sequence[Run]) -> tuple[Group, ...]:
    gathered: dict[tuple[str, float | None], list[Run]] = {}
    for run in runs:
        gathered.setdefault((run.series, run.lr), []).append(run)
    order = {name: index for index, name in enumerate(dict.fromkeys(run.series for run in runs))}
    keys = sorted(gathered, key=lambda key: (order[key[0]], float("inf") if key[1] is None else key[1]))
    return tuple(Group(*key, tuple(gathered[key])) for key in keys)
