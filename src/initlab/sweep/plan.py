"""From the arguments of a sweep to its cells: each with its overrides, its configuration and its run id."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import Override, Transformer
from omegaconf import DictConfig

from initlab.errors import ConfigError
from initlab.results.identity import NOT_SCIENCE, run_id
from initlab.sweep.argv import expand
from initlab.sweep.compose import Composer, is_integer, overrides_of, parse


@dataclass(frozen=True)
class Cell:
    """One run of a sweep."""

    arguments: tuple[str, ...]  # every override, as a single run would take them
    axes: Mapping[str, Any]  # the overrides that the sweep varies
    config: Mapping[str, Any]
    run_id: str


@dataclass(frozen=True)
class Plan:
    """The cells of a sweep, in the order in which they run."""

    name: str
    experiment: str | None
    cells: tuple[Cell, ...]


def plan(composer: Composer, arguments: Sequence[str]) -> Plan:
    """Expand the arguments into cells.

    ``hydra.sweeper.params`` of an experiment gives axes too, or a list of several such grids; the command
    line wins over them key by key.
    A sweep over experiments expands each experiment's own axes.

    Raises:
        ConfigError: a key, an option or a value is wrong, or a range stands over a key that is no integer.
    """
    chosen = [expand(argument) for argument in arguments]
    experiments = next((a for a in chosen if parse(a).key_or_group == "experiment"), None)
    rest = [a for a in chosen if a != experiments]
    cells: dict[str, Cell] = {}
    names: list[str | None] = []
    for experiment in _values(experiments) if experiments else [None]:
        fixed = [] if experiment is None else [experiment]
        names.append(None if experiment is None else experiment.partition("=")[2])
        for cell in _cells(composer, fixed, rest):
            cells.setdefault(cell.run_id, cell)
    single = names[0] if len(names) == 1 else None
    scientific = [a for a in rest if re.split(r"[./]", str(parse(a).key_or_group))[0] not in NOT_SCIENCE]
    title = "+".join(name for name in names if name) or "sweep"
    if single is None or scientific:  # an experiment as it stands keeps its plain name
        title += "-" + hashlib.sha256(" ".join(sorted(cells)).encode()).hexdigest()[:6]
    return Plan(title, single, tuple(cells.values()))


def _cells(composer: Composer, fixed: Sequence[str], arguments: Sequence[str]) -> Iterator[Cell]:
    """Expand the product of the axes under one experiment."""
    given = {str(parse(a).key_or_group): a for a in arguments}
    structural = [a for a in arguments if composer.is_structural(a) and not _is_sweep(parse(a))]
    params = composer.base([*fixed, *structural]).params or {}
    for grid in params if isinstance(params, list) else [params]:
        yield from _product(composer, fixed, grid, given)


def _product(
    composer: Composer, fixed: Sequence[str], params: Mapping[str, Any], given: Mapping[str, str]
) -> Iterator[Cell]:
    """Expand one product of axes."""
    axes = {str(key): expand(f"{key}={_plain(value)}") for key, value in params.items()} | dict(given)
    lists = [_values(argument) for argument in axes.values()]
    swept = [key for key, values in zip(axes, lists, strict=True) if len(values) > 1]
    for combination in itertools.product(*lists):
        cell = (*fixed, *combination)
        base = composer.base([a for a in cell if composer.is_structural(a)])
        for key in swept:
            _check_range(base.config, axes[key])
        config = composer.compose(cell)
        values = overrides_of(combination)
        yield Cell(cell, {key: values[key] for key in swept}, config, run_id(config))


def _values(argument: str) -> list[str]:
    """Write an override as the list of single-valued overrides that it stands for."""
    override = parse(argument)
    if not _is_sweep(override):
        return [argument]
    key = override.get_key_element()
    return [f"{key}={value!s}" for value in override.sweep_iterator(Transformer.encode)]


def _is_sweep(override: Override) -> bool:
    return bool(override.is_sweep_override())


def _check_range(base: DictConfig, argument: str) -> None:
    override = parse(argument)
    key = str(override.key_or_group)
    is_range = override.is_range_sweep() or "range" in getattr(override.value(), "tags", ())
    if is_range and not is_integer(base, key):
        told = f"{key}={','.join(override.sweep_string_iterator())}"
        raise ConfigError(f"{told}: a range needs a key that holds whole numbers; list the values instead")


def _plain(value: Any) -> str:
    """Write a value of ``hydra.sweeper.params`` as it would stand on the command line."""
    if isinstance(value, (list, tuple)):
        return ",".join(_plain(item) for item in value)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def first_cell(arguments: Sequence[str]) -> list[str]:
    """Return the first value of each override: enough to check every key and option that stands there."""
    return [_values(expand(argument))[0] for argument in arguments]
