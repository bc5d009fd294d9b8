"""From overrides to one resolved configuration, checked key by key, without importing torch.

The composed YAML is its own schema: a key exists if the chosen options define it, and a value has the type
of the one that stands there. Each combination of groups is composed by Hydra once; plain values are then
set on a copy, which costs milliseconds where a composition costs tenths of a second.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from initlab.configs_dir import configs_dir
from initlab.errors import ConfigError

CONFIG_NAME = "train"
PRESETS = ("experiment", "debug")  # groups whose files set keys that other groups define
SCALING = ("scale", "laptop")  # they choose the values of a run and are none of them

# Each time Hydra lists a group it copies its sources, and with them this singleton: 146 times for `--help`.
ConfigStore.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined]


@contextmanager
def config_loader() -> Iterator[ConfigLoader]:
    """Open the project's configuration folder, or use it where Hydra has it open already."""
    if GlobalHydra.instance().is_initialized():
        yield GlobalHydra.instance().config_loader()
        return
    with initialize_config_dir(str(configs_dir()), version_base="1.3"):
        yield GlobalHydra.instance().config_loader()


@lru_cache(maxsize=100_000)
def parse(argument: str) -> Override:
    """Parse one override.

    Raises:
        ConfigError: it is not of Hydra's override grammar.
    """
    try:
        return OverridesParser.create().parse_override(argument)
    except HydraException as error:
        raise ConfigError(f"{argument}: {' '.join(str(error).split())}") from error


@dataclass(frozen=True)
class Base:
    """One combination of groups, composed.

    Args:
        config: without the ``hydra`` node, interpolations unresolved.
        choices: the option chosen in each group.
        params: ``hydra.sweeper.params``, the axes that an experiment brings.
        laptop: the overrides of its reduced form (:mod:`initlab.sweep.scale`), None where it has none.
        fallen: the keys of a preset that the chosen options do not have, unlike the preset's own.
    """

    config: DictConfig
    choices: Mapping[str, Any]
    params: Any
    laptop: Any
    fallen: tuple[str, ...] = ()

    @property
    def emptied(self) -> list[str]:
        """The keys to delete for that: those fallen, or the mappings that nothing else was in."""
        return list(dict.fromkeys(map(self._emptied, self.fallen)))

    def _emptied(self, key: str) -> str:
        parent = key.rpartition(".")[0]
        return key if exists(self.config, parent) else self._emptied(parent)


class Composer:
    """Composes configurations from lists of overrides, remembering each combination of groups."""

    def __init__(self, loader: ConfigLoader, config_name: str = CONFIG_NAME) -> None:
        self._loader = loader
        self._config_name = config_name
        self._bases: dict[tuple[str, ...], Base] = {}

    def compose(self, arguments: Sequence[str]) -> dict[str, Any]:
        """Return the resolved configuration of one run as plain containers.

        Each group carries the name of its option, as in ``config["init"]["name"]``.

        Raises:
            ConfigError: an unknown key, group or option, or a value of the wrong type.
        """
        base = self.base([a for a in arguments if self.is_structural(a)])
        config = copy.deepcopy(base.config)
        for argument in arguments:
            if not self.is_structural(argument):
                set_value_(config, parse(argument))
        return named(config, base.choices)

    def base(self, structural: Sequence[str]) -> Base:
        """Compose the chosen groups.

        What a preset sets for its own option of a group falls away with that option, where another is
        chosen that does not have it.

        Raises:
            ConfigError: an option does not exist, or a preset sets a key that its groups do not define.
        """
        key = tuple(structural)
        if key not in self._bases:
            for argument in structural:
                group, option = str(parse(argument).key_or_group), parse(argument).value()
                if self.is_group(group) and not isinstance(option, (str, type(None))):
                    raise ConfigError(_no_option(group, str(option), _options(self._loader, group)))
            config = self._load(structural)
            choices = dict(config.hydra.runtime.choices)
            params, laptop = config.hydra.sweeper.params, config.get("laptop")
            with open_dict(config):
                del config["hydra"]
            fallen = self._check_presets_(config, choices, key) if any(map(choices.get, PRESETS)) else []
            self._bases[key] = Base(config, choices, _container(params), _container(laptop), tuple(fallen))
        return self._bases[key]

    def is_structural(self, argument: str) -> bool:
        """Whether an override chooses a group's option or speaks to Hydra, and not just sets a value."""
        override = parse(argument)
        key = str(override.key_or_group)
        return key.split(".")[0].split("/")[0] == "hydra" or self.is_group(key)

    def is_group(self, key: str) -> bool:
        """Whether ``key`` names a group of the configuration."""
        return key in _groups(self._loader)

    def _load(self, structural: Sequence[str]) -> DictConfig:
        try:
            return self._loader.load_configuration(
                self._config_name, list(structural), RunMode.RUN, from_shell=False
            )
        except MissingConfigException as error:
            raise ConfigError(self._missing_option(error, structural)) from error
        except (HydraException, OmegaConfBaseException) as error:
            cause = error.__cause__ or error
            key = str(getattr(cause, "full_key", None))
            if key.startswith("hydra.launcher.") and isinstance(cause, ConfigAttributeError | ConfigKeyError):
                raise ConfigError(self._foreign_setting(key)) from error
            raise ConfigError(" ".join(str(cause).split())) from error

    def _missing_option(self, error: MissingConfigException, structural: Sequence[str]) -> str:
        """Say that the group that was asked, as for ``experiment=arpit2019/fig4``, has no such option."""
        missing = str(error.missing_cfg_file)
        asked = {f"{group}/{parse(word).value()}": group for word in structural if (group := _group(word))}
        group = asked.get(missing, missing.rpartition("/")[0])
        options = _options(self._loader, group)
        if not options:
            return f"{missing}: no such configuration"
        return _no_option(group, missing.removeprefix(f"{group}/"), options)

    def _foreign_setting(self, key: str) -> str:
        """Say that the launcher has no such setting, and which one has."""
        launchers = self._loader.get_group_options("hydra/launcher")
        schemas = {name: self._load([f"hydra/launcher={name}"]) for name in launchers}
        having = [f"hydra/launcher={name}" for name, schema in schemas.items() if exists(schema, key)]
        if having:
            return f"{key} is a setting of {' and '.join(having)}, and not of the launcher chosen"
        keys = [path for schema in schemas.values() for path, _ in _leaves(schema.hydra.launcher)]
        close = difflib.get_close_matches(key.removeprefix("hydra.launcher."), keys, 1, 0.5)
        hint = f"; did you mean hydra.launcher.{close[0]}?" if close else ""
        return f"no launcher has a setting {key}{hint}"

    def _check_presets_(
        self, config: DictConfig, choices: dict[str, Any], structural: Sequence[str]
    ) -> list[str]:
        """Hold an experiment or debug file to the keys and types that the groups define.

        What the experiment sets for an option of its own, and the one chosen instead does not have, is taken
        out of the configuration; these keys are returned.
        """
        top = [f"{group}={option}" for group, option in choices.items() if "/" not in group]
        names = " ".join(f"{group}={choices[group]}" for group in PRESETS if choices.get(group))
        schema = self._load([a for a in top if a.split("=")[0] not in PRESETS and not a.endswith("=None")])
        experiment = f"experiment={choices.get('experiment')}"
        fallen = []
        for key, value in list(_leaves(config)):
            if value == OmegaConf.select(schema, key):
                continue
            group = key.partition(".")[0]
            if group in choices and not exists(schema, key):
                # As the experiment stands alone, its keys are right, or this says so.
                alone = choices.get("experiment") and list(structural) != [experiment]
                if alone and exists(self.base([experiment]).config, key):
                    _delete_(config, key, schema)
                    fallen.append(key)
                    continue
                near = _nearest(key, schema)
                told = f"{names} sets {key}, which {group}={choices[group]} does not have"
                raise ConfigError(f"{told}; {near}" if near.startswith(f"did you mean {group}.") else told)
            try:
                check_value(schema, key, value)
            except ConfigError as error:
                raise ConfigError(f"{names}: {error}") from error
        return fallen


def _delete_(config: DictConfig, key: str, schema: DictConfig) -> None:
    """Delete a key, and the mappings that nothing but it was in."""
    parent, _, name = key.rpartition(".")
    with open_dict(config):
        del OmegaConf.select(config, parent)[name]
    if not OmegaConf.select(config, parent) and not exists(schema, parent):
        _delete_(config, parent, schema)


def set_value_(config: DictConfig, override: Override) -> None:
    """Set one plain value in place.

    Raises:
        ConfigError: the key does not exist, or the value is not of the type of the one that stands there.
    """
    key = str(override.key_or_group)
    if override.is_add() and OmegaConf.select(config, key) is None:
        raise ConfigError(f"+{key}: keys cannot be added; {_nearest(key, config)}")
    if override.is_delete():
        raise ConfigError(f"~{key}: keys cannot be deleted")
    value = override.value()
    check_value(config, key, value)
    OmegaConf.update(config, key, value, merge=False)


def check_value(schema: DictConfig, key: str, value: Any) -> None:
    """Check that ``key`` exists in ``schema`` and that ``value`` has the type of what stands there.

    Raises:
        ConfigError: naming the key, and the nearest right one or the type.
    """
    if not exists(schema, key):
        raise ConfigError(f"there is no key {key}; {_nearest(key, schema)}")
    current = OmegaConf.select(schema, key)
    if OmegaConf.is_dict(current):
        raise ConfigError(f"{key} is a group of keys: set one of {', '.join(map(str, current))}")
    wanted = _kind(current)
    given = _kind(value)
    fits = given == wanted or (wanted, given) in _ACCEPTED or wanted == "null"
    fits = fits or (given == "null" and wanted in ("str", "list", "dict"))
    # Some arguments of a part are one number, or a list with one for each layer.
    per_layer = "." in key and given == "list" and {_kind(item) for item in value} == {wanted}
    fits = fits or per_layer
    if wanted == given == "list" and current:
        kind = _kind(current[0])
        for item in value:
            if _kind(item) != kind and (kind, _kind(item)) not in _ACCEPTED:
                raise ConfigError(f"{key}: must list {_ARTICLE[kind]} after another, and {item} is not")
    if not fits:
        but = "" if given == "float" else f", not {_ARTICLE[given]}"
        if given == "float" and "." in key:
            but = f", since its file holds {current}; {current}.0 there takes fractions too"
        raise ConfigError(f"{key}={value}: must be {_ARTICLE[wanted]}{but}")


def is_integer(schema: DictConfig, key: str) -> bool:
    """Whether ``key`` holds an integer, or nothing yet."""
    return _kind(OmegaConf.select(schema, key)) in ("int", "null")


def named(config: DictConfig, choices: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a composed configuration into plain, resolved containers with the name of each chosen option.

    Raises:
        ConfigError: an interpolation leads nowhere.
    """
    try:
        container = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(" ".join(str(error).split())) from error
    assert isinstance(container, dict)
    result: dict[str, Any] = {str(k): value for k, value in container.items() if k not in SCALING}
    for group, option in choices.items():
        if "/" in group or group.startswith("hydra"):
            continue
        if group in PRESETS:
            result[group] = option
        else:
            result[group] = {"name": option, **(result.get(group) or {})}
    return result


_ARTICLE = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a word",
    "list": "a list",
    "dict": "a mapping",
    "null": "null",
}
_ACCEPTED = {("float", "int"), ("str", "int"), ("str", "float")}


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if OmegaConf.is_list(value) or isinstance(value, list):
        return "list"
    if OmegaConf.is_dict(value) or isinstance(value, dict):
        return "dict"
    return type(value).__name__


def _container(node: Any) -> Any:
    return OmegaConf.to_container(node) if OmegaConf.is_config(node) else node


def exists(schema: DictConfig, key: str) -> bool:
    """Whether a configuration has a key, such as ``init.directions``."""
    node: Any = schema
    for part in key.split("."):
        if not OmegaConf.is_dict(node) or part not in node:
            return False
        node = node._get_node(part) if OmegaConf.is_interpolation(node, part) else node[part]
    return True


def _leaves(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key in config:
        path = f"{prefix}{key}"
        value = None if OmegaConf.is_missing(config, key) else config[key]
        if OmegaConf.is_dict(value):
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def _nearest(key: str, schema: DictConfig) -> str:
    """Name the key that the person may have meant."""
    keys = [path for path, _ in _leaves(schema) if not path.endswith("_target_")]
    keys += [str(name) for name in schema]
    # A key of the same group is likelier than one that is spelled alike elsewhere.
    same_group = [k for k in keys if k.split(".")[0] == key.split(".")[0] and "." in key]
    close = difflib.get_close_matches(key, same_group, 1, 0.5) or difflib.get_close_matches(key, keys, 1, 0.4)
    if not close:
        tails = {k.rsplit(".", 1)[-1]: k for k in keys}
        close = [tails[t] for t in difflib.get_close_matches(key.rsplit(".", 1)[-1], tails, 1, 0.6)]
    return f"did you mean {close[0]}?" if close else "see --cfg job for all keys"


def _options(loader: ConfigLoader, group: str) -> list[str]:
    """Return the options of a group, those in folders of it with the folder's name."""
    within = loader.get_group_options(group, ObjectType.GROUP)
    nested = [f"{folder}/{option}" for folder in within for option in _options(loader, f"{group}/{folder}")]
    return [*loader.get_group_options(group), *nested]


def _group(argument: str) -> str:
    return str(parse(argument).key_or_group)


def _no_option(group: str, option: str, options: Sequence[str]) -> str:
    within = [name for name in options if name.rpartition("/")[2] == option]
    close = within or difflib.get_close_matches(option, options, 1, 0.5)
    all_of_them = f"{group} can be {', '.join(sorted(options))}"
    told = f"did you mean {' or '.join(close)}? ({all_of_them})" if close else all_of_them
    return f"there is no {group}={option}; {told}"


_GROUPS: dict[int, frozenset[str]] = {}


def _groups(loader: ConfigLoader) -> frozenset[str]:
    if id(loader) not in _GROUPS:
        _GROUPS[id(loader)] = frozenset(loader.list_groups(""))
    return _GROUPS[id(loader)]


def overrides_of(arguments: Iterable[str]) -> dict[str, Any]:
    """Return the overrides of one run as a mapping from key to value."""
    parsed = [parse(argument) for argument in arguments]
    return {str(override.key_or_group): override.value() for override in parsed}
