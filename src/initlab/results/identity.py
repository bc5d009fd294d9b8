"""Which run is this: an id made of everything that can change its numbers, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from initlab.errors import ConfigError

NUMBERS_VERSION: int = 2
"""Raised with each *Numbers* entry of CHANGELOG.md, so that older results are no longer taken for ours."""

NOT_SCIENCE = frozenset({"paths", "logger", "callback", "sweep", "debug", "experiment", "hydra", "ckpt_path"})
NOT_SCIENCE_IN = {
    "model": frozenset({"checkpoint_activations"}),
    "data": frozenset({"root", "download", "num_workers"}),
    "trainer": frozenset(
        {
            "accelerator",
            "devices",
            "strategy",
            "num_nodes",
            "num_threads",
            "cuda_graphs",
            "enable_progress_bar",
        }
    ),
}
ONLY_FITTING = frozenset({"optim", "clipping", "schedule", "lr", "epochs", "trainer"})
UNREAD = {  # by task
    "fit": frozenset({"diagnostic"}),
    "probe": ONLY_FITTING,
    "rl": frozenset({"data", "diagnostic", "trainer"}),
    "rl_probe": ONLY_FITTING | {"data"},
}
ID_LENGTH = 12


def scientific(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resolved config without the keys that say where and how to run, but not what to compute.

    What is left out is listed above; every other key counts, so a new one changes the id unless someone
    decides otherwise. A probe never fits, so what only fitting reads is left out of it; a fit takes no
    diagnostic, and one that plays has no data set.
    """
    task = config.get("task")
    task_name = task.get("name") if isinstance(task, Mapping) else task
    kept: dict[str, Any] = {}
    for key, value in config.items():
        if key in NOT_SCIENCE or key in UNREAD.get(str(task_name), ()):
            continue
        if task_name in ("probe", "rl_probe") and str(key).startswith("warmup_"):
            continue
        if key in NOT_SCIENCE_IN and isinstance(value, Mapping):
            value = {name: item for name, item in value.items() if name not in NOT_SCIENCE_IN[key]}
        kept[key] = value
    return kept


def run_id(config: Mapping[str, Any], numbers_version: int | None = None) -> str:
    """Return 12 hex digits: sha256 of (the numbers version, the scientific config) as canonical JSON.

    The order of keys does not matter, and numbers that are equal hash alike: ``1`` is ``1.0``, but not
    ``True`` and not ``"1"``.

    Raises:
        ConfigError: a value is NaN or infinite, or nothing that YAML can write.
    """
    version = NUMBERS_VERSION if numbers_version is None else numbers_version
    return _digest(version, canonical(scientific(config)))


def _digest(version: int, content: Any) -> str:
    text = json.dumps([version, content], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def numbers_version(identity: str, config: Mapping[str, Any]) -> int | None:
    """Return the numbers version under which a config has this run id; None where it has it under none."""
    versions, content = range(NUMBERS_VERSION, 0, -1), canonical(scientific(config))
    return next((version for version in versions if _digest(version, content) == identity), None)


def canonical(value: Any, key: str = "") -> Any:
    """Return ``value`` in plain containers, with every whole number as an ``int``; ``key`` is its address.

    Raises:
        ConfigError: as for :func:`run_id`.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not isfinite(value):
            raise ConfigError(f"{key}={value}: must be a finite number, since the run's id is made of it")
        return int(value) if value.is_integer() else float(value)
    if isinstance(value, Mapping):
        dotted = {str(name): f"{key}.{name}" if key else str(name) for name in value}
        if len(dotted) != len(value):
            raise ConfigError(f"{key or 'config'}: two keys are written alike, one a number and one a string")
        return {str(name): canonical(item, dotted[str(name)]) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [canonical(item, f"{key}[{i}]") for i, item in enumerate(value)]
    raise ConfigError(f"{key}: a {type(value).__name__} cannot be written to a config")
