"""From the arguments of a sweep to its cells: each with its overrides, its configuration and its run id."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from hydra.core.override_parser.types import Override, Transformer
from omegaconf import DictConfig

from initlab.errors import ConfigError
from initlab.results.identity import NOT_SCIENCE, run_id
from initlab.sweep.argv import expand
from initlab.sweep.cell import Cell
from initlab.sweep.compose import Composer, exists, is_integer, overrides_of, parse
from initlab.sweep.scale import AWAY, fell_away, grid_form, key_of, laptop_form, scale_of
from initlab.sweep.scale import KEY as LAPTOP

HOW = ("hydra", "sweep", "paths")  # groups that say how and where a sweep is run, and not what


@dataclass(frozen=True)
class Plan:
    """The cells of a sweep, in the order in which they run.

    Args:
        name: of the sweep.
        experiment: that all cells are of; None where there is none, or several.
        cells: the runs.
        scale: ``full`` or ``laptop``.
        fixed: what all cells have beside the experiment, as on the command line.
        fallen: keys of the experiment that an option chosen in place of its own does not have.
    """

    name: str
    experiment: str | None
    cells: tuple[Cell, ...]
    scale: str = "full"
    fixed: tuple[str, ...] = ()
    fallen: tuple[str, ...] = ()


def plan(composer: Composer, arguments: Sequence[str]) -> Plan:
    """Expand the arguments into cells.

    ``hydra.sweeper.params`` of an experiment gives axes too, or a list of several such grids; the command
    line wins over them key by key. Where it chooses an option, as in ``init=he``, what the experiment sets
    within the group and the option does not have falls away. With several, as in ``init=he,proposed``, so do
    settings such as ``init.mode`` for those that do not have them.
    A sweep over experiments expands each experiment's own axes. With ``scale=laptop`` each experiment's
    laptop form stands between the two (:mod:`initlab.sweep.scale`).

    Raises:
        ConfigError: a key, an option or a value is wrong, or a range stands over a key that is no integer.
    """
    chosen = [expand(argument) for argument in arguments]
    scale = scale_of(chosen)
    experiments = next((a for a in chosen if key_of(a) == "experiment"), None)
    rest = [a for a in chosen if a != experiments and key_of(a) != "scale"]
    cells: dict[str, Cell] = {}
    away: set[str] = set()
    names: list[str | None] = []
    products: list[tuple[str | None, dict[str, str]]] = []
    for experiment in _values(experiments) if experiments else [None]:
        names.append(None if experiment is None else experiment.partition("=")[2])
        products += [(experiment, axes) for axes in grids(composer, experiment, rest, scale)]
    varied, given = _varied([axes for _, axes in products]), {key_of(a) for a in rest}
    for experiment, axes in products:
        for cell, gone in _product(composer, experiment, axes, varied, given):
            if len(names) > 1:
                cell = replace(cell, axes={"experiment": cell.config["experiment"], **cell.axes})
            cells.setdefault(cell.run_id, cell)
            away |= gone
    if not cells:
        raise ConfigError("the sweep has no cells: every grid of the experiment is left out")
    single = names[0] if len(names) == 1 else None
    scientific = [a for a in rest if re.split(r"[./]", str(parse(a).key_or_group))[0] not in NOT_SCIENCE]
    title = "+".join(name for name in names if name) or "sweep"
    if scale != "full":
        title += f"-{scale}"
    if single is None or scientific:  # an experiment as it stands keeps its plain name
        title += "-" + hashlib.sha256(" ".join(sorted(cells)).encode()).hexdigest()[:6]
    form = laptop_form(composer, experiments, rest) if single and scale == "laptop" else []
    # A setting that some options of the sweep do not have is told of each cell that has it.
    apart = {key for _, axes in products for key in axes if key in away and key not in varied}
    fixed = (
        _values(argument)[0]
        for key, argument in products[0][1].items()
        if key not in varied | apart and argument not in form and re.split(r"[./]", key)[0] not in HOW
    )
    told = tuple(_with_axes(cell, apart) for cell in cells.values())
    return Plan(title, single, told, scale, tuple(fixed), tuple(sorted(away - given)))


def _with_axes(cell: Cell, keys: Collection[str]) -> Cell:
    """Add to a cell's axes those of its overrides that have one of the keys."""
    values = overrides_of(cell.arguments)
    return replace(cell, axes={**cell.axes, **{key: values[key] for key in values if key in keys}})


def grids(
    composer: Composer, experiment: str | None, arguments: Sequence[str], scale: str = "full"
) -> Iterator[dict[str, str]]:
    """Give each grid under one experiment as a mapping from key to override, before their product is taken.

    Args:
        composer: of the configurations.
        experiment: its argument, ``experiment=<name>``, or None.
        arguments: the others, expanded.
        scale: ``full`` or ``laptop``.

    Raises:
        ConfigError: a group or an option is wrong, or the experiment has no laptop form.
    """
    form = laptop_form(composer, experiment, arguments) if scale == "laptop" else []
    fixed = [] if experiment is None else [experiment]
    structural = [a for a in arguments if composer.is_structural(a) and not _is_sweep(parse(a))]
    params = composer.base([*fixed, *structural]).params or {}
    for grid in _asked_for(composer, params, arguments) if isinstance(params, list) else [params]:
        own: list[str] = []
        if scale == "laptop":
            if grid.get(LAPTOP, []) is None:
                continue
            own = grid_form(str(experiment), grid, arguments)
        axes = [expand(f"{key}={_plain(value)}") for key, value in grid.items() if key != LAPTOP]
        away = {key_of(a) for a in (*form, *own) if a.startswith(AWAY)}
        chosen = [a for a in (*axes, *form, *own) if key_of(a) not in away]
        yield {key_of(a): a for a in (*chosen, *arguments)}


def _asked_for(
    composer: Composer, params: Sequence[Mapping[str, Any]], arguments: Sequence[str]
) -> list[Mapping[str, Any]]:
    """Leave out the grids of an experiment that are about another option than the one asked for.

    With ``model=mlp`` the grids of ``mlp`` stay, where there are some; an option that no grid has takes the
    place of theirs in all.
    """
    kept = list(params)
    for argument in arguments:
        group = key_of(argument)
        if composer.is_group(group):
            wanted = set(_values(argument))
            about = [
                g for g in kept if group not in g or wanted & set(_values(f"{group}={_plain(g[group])}"))
            ]
            kept = about if any(group in grid for grid in about) else kept
    return kept


def axes_left_open(composer: Composer, arguments: Sequence[str]) -> list[str]:
    """Return the keys over which the experiment of a single run sweeps and to which it gives no value.

    The seed has a default, and that is one of its values. An experiment of several grids sweeps over what
    the least of them leaves open.
    """
    experiment = next((a for a in reversed(arguments) if key_of(a) == "experiment"), None)
    if experiment is None:
        return []
    given = {key_of(a) for a in arguments} | {"seed"}
    config = composer.base([a for a in arguments if composer.is_structural(a)]).config
    each = list(grids(composer, experiment, []))
    varied = _varied(each)
    opened = [
        [key for key in grid if key in varied and key not in given and not fell_away(key, config, given)]
        for grid in each
    ]
    return min(opened, key=len, default=[])


def _varied(grids: Sequence[Mapping[str, str]]) -> set[str]:
    """Return the keys that do not stand with the same single value in every grid."""
    keys = {key for axes in grids for key in axes}
    return {
        key for key in keys if len({axes.get(key) for axes in grids}) > 1 or len(_values(grids[0][key])) > 1
    }


def _product(
    composer: Composer,
    experiment: str | None,
    axes: Mapping[str, str],
    varied: Set[str],
    given: Collection[str],
) -> Iterator[tuple[Cell, Set[str]]]:
    """Expand one product of axes, each cell with the keys that its options do not have.

    Args:
        composer: of the configurations.
        experiment: its argument.
        axes: the override of each key.
        varied: the keys that tell the cells of the whole sweep apart.
        given: the keys of the command line.
    """
    fixed = () if experiment is None else (experiment,)
    check_fixed(axes.values())
    lists = [_values(argument) for argument in axes.values()]
    swept = [key for key, values in zip(axes, lists, strict=True) if len(values) > 1]
    some = {key for key in axes if key in given and _some_have(composer, fixed, key, axes)}
    for combination in itertools.product(*lists):
        base = composer.base([*fixed, *(a for a in combination if composer.is_structural(a))])
        away = {key for key in axes if key not in given and fell_away(key, base.config, given)}
        away |= {key for key in some if not exists(base.config, key)}
        kept = [a for a in combination if key_of(a) not in away] if away else combination
        for key in swept:
            if key not in away:
                _check_range(base.config, axes[key])
        cell = (*fixed, *kept)
        config = composer.compose(cell)
        values = overrides_of(kept)
        told = {key: values[key] for key in axes if key in varied - away}
        yield Cell(cell, told, config, run_id(config)), away | set(base.fallen)


def _some_have(composer: Composer, fixed: Sequence[str], key: str, axes: Mapping[str, str]) -> bool:
    """Whether a sweep has several options of a key's group, and some of them have the key."""
    group = key.partition(".")[0]
    options = _values(axes[group]) if group in axes and group != key else []
    return len(options) > 1 and any(exists(composer.base([*fixed, one]).config, key) for one in options)


def check_fixed(arguments: Iterable[str]) -> None:
    """Refuse several values of what a sweep has one of: its launcher and sweeper, its options, its folder.

    Raises:
        ConfigError: naming the key.
    """
    for argument in arguments:
        override = parse(argument)
        key = str(override.key_or_group)
        if _is_sweep(override) and (
            re.split(r"[./]", key)[0] in ("hydra", "sweep") or key == "paths.output_dir"
        ):
            raise ConfigError(f"{key} has one value in a sweep: start one sweep for each")


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
    """Return the first value of each override: enough to check every key and option that stands there.

    Settings of a group that has several options are left out, for the first may not have them.
    """
    lists = [_values(expand(argument)) for argument in arguments]
    several = {key_of(argument) for argument, values in zip(arguments, lists, strict=True) if len(values) > 1}
    firsts = [values[0] for values in lists]
    return [first for first in firsts if key_of(first).partition(".")[0] not in several - {key_of(first)}]
