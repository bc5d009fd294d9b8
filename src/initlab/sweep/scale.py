"""``scale=full | laptop``: an experiment as published, or the reduced form that its file carries.

The reduced form is a list of overrides, ``laptop``, written as on the command line. It comes after the
experiment's own values and axes and before the arguments of the command line, which win over it key by key.
Where ``hydra.sweeper.params`` lists several grids, each may have a ``laptop`` of its own beside the shared
one, or ``laptop: null``, which leaves the grid out. ``~data.cutout`` takes an axis away, for an
option without that key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from initlab.errors import ConfigError
from initlab.sweep.argv import expand
from initlab.sweep.compose import Composer, exists, parse

SCALES = ("full", "laptop")
KEY = "laptop"
AWAY = "~"


def scale_of(arguments: Sequence[str]) -> str:
    """Return the scale that the arguments ask for, ``full`` where they do not.

    Raises:
        ConfigError: there is no such scale, or more than one is asked for.
    """
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key == "scale" and value not in SCALES:
            raise ConfigError(f"{argument}: must be {' or '.join(SCALES)}")
    return next((a.partition("=")[2] for a in reversed(arguments) if a.startswith("scale=")), SCALES[0])


def laptop_form(composer: Composer, experiment: str | None, given: Sequence[str] = ()) -> list[str]:
    """Return the overrides of an experiment's laptop form, expanded, without those whose key is given.

    Args:
        composer: of the configurations.
        experiment: its argument, ``experiment=<name>``.
        given: arguments that win.

    Raises:
        ConfigError: there is no experiment, or it has no laptop form.
    """
    if experiment is None:
        raise ConfigError("scale=laptop reduces an experiment: name one, as in experiment=arpit2019/fig4")
    form = composer.base([experiment]).laptop
    if form is None:
        raise ConfigError(f"{experiment} has no laptop form: leave scale=laptop away")
    return without(given, listed(experiment, form))


def grid_form(experiment: str, grid: Mapping[str, Any], given: Sequence[str]) -> list[str]:
    """Return the overrides of one grid's own laptop form, expanded, without those whose key is given."""
    return without(given, listed(experiment, grid.get(KEY, [])))


def listed(experiment: str, form: Any) -> list[str]:
    """Expand each override of a laptop form.

    Raises:
        ConfigError: it is no list of overrides.
    """
    if not isinstance(form, list) or not all(
        isinstance(item, str) and ("=" in item or item.startswith(AWAY)) for item in form
    ):
        raise ConfigError(f"{experiment}: laptop must be a list of overrides such as epochs=3")
    return [expand(item) for item in form]


def without(given: Sequence[str], form: Sequence[str]) -> list[str]:
    """Drop the overrides whose key is given."""
    keys = {key_of(argument) for argument in given}
    return [argument for argument in form if key_of(argument) not in keys]


def key_of(argument: str) -> str:
    """Return the key or the group that an override sets."""
    return str(parse(argument).key_or_group)


def form_of_run(composer: Composer, arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what the scale puts in front of the arguments of a single run: the laptop form without its axes.

    The second list has the keys of the form that fell away (:func:`fell_away`).

    Raises:
        ConfigError: there is no such scale, no experiment, or no laptop form.
    """
    if scale_of(arguments) == SCALES[0]:
        return [], []
    experiment = next((a for a in reversed(arguments) if key_of(a) == "experiment"), None)
    form = laptop_form(composer, experiment, arguments)
    form = [a for a in form if not a.startswith(AWAY) and not parse(a).is_sweep_override()]
    config = composer.base([a for a in (*form, *arguments) if composer.is_structural(a)]).config
    given = {key_of(a) for a in arguments}
    gone = [key for a in form if fell_away(key := key_of(a), config, given)]
    return [a for a in form if key_of(a) not in gone], gone


def fell_away(key: str, config: DictConfig, given: Collection[str]) -> bool:
    """Whether a key of an experiment went with the option that the command line chose for its group."""
    return key.partition(".")[0] in given and not exists(config, key)
