"""Values of configs and of overrides: how they are looked up, told apart and written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

REPLICATE = "seed"
RATE = "lr"
LONGEST_LIST = 4
NAMED_GROUPS = frozenset({"init", "norm", "model", "data", "task", "optim", "schedule", "diagnostic", "rl"})


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
