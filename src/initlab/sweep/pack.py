"""Packs: cells of one architecture, which are trained as one computation (:mod:`initlab.task.population`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from initlab.errors import ConfigError
from initlab.results.identity import canonical
from initlab.sweep.cell import Cell

# What each member of a pack has of its own. All else must be equal: it is the architecture, or how to run it.
OWN = frozenset({"seed", "lr", "warmup_epochs", "init", "schedule"})
OWN_IN = {"optim": frozenset({"lr", "momentum", "weight_decay", "nesterov"})}
# What no fit reads, or what only says where a cell came from.
UNREAD = frozenset({"diagnostic", "experiment", "debug", "sweep"})

_OPTIM = {"_target_", "name", "fused", *OWN_IN["optim"]}
_CLIPPINGS = ("none", "norm")
_PRECISIONS = ("32-true", "64-true", "bf16-mixed")
# Keys of the trainer that a population follows; any other must be off.
_TRAINER = {"_target_", "name", "accelerator", "strategy", "precision", "num_threads"} | {
    f"limit_{part}_batches" for part in ("train", "val", "test")
}


def packed(cells: Sequence[Cell], size: int) -> list[Cell]:
    """Put cells of equal architecture together, at most ``size`` at a time, under the first of them.

    Raises:
        ConfigError: the size is no positive whole number, or a cell cannot be in a pack.
    """
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ConfigError(f"sweep.population={size}: must be a positive whole number, auto or null")
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        why = refusal(cell.config)
        if why is not None:
            raise ConfigError(f"sweep.population={size}: {why}; leave it at null")
        groups.setdefault(architecture(cell.config), []).append(cell)
    return [
        led(group[start : start + size]) for group in groups.values() for start in range(0, len(group), size)
    ]


def led(cells: Sequence[Cell]) -> Cell:
    """Return the first of some cells, which takes the others along."""
    return replace(cells[0], others=tuple(cells[1:]))


def architecture(config: Mapping[str, Any]) -> str:
    """Return what must be equal in all cells of a pack."""
    kept = {key: value for key, value in config.items() if key not in OWN | UNREAD}
    for group, own in OWN_IN.items():
        kept[group] = {key: value for key, value in kept[group].items() if key not in own}
    return json.dumps(canonical(kept), sort_keys=True)


def refusal(config: Mapping[str, Any]) -> str | None:
    """Say why a run cannot be trained together with others, or None where it can."""
    task, trainer, optim = config["task"]["name"], config["trainer"], config["optim"]
    if task != "fit":
        return f"task={task} trains nothing"
    for key in ("devices", "num_nodes", "accumulate_grad_batches"):
        if trainer[key] != 1:
            return f"the runs of a population have trainer.{key}=1"
    if str(trainer["precision"]) not in _PRECISIONS:
        return f"a population has trainer.precision {', '.join(_PRECISIONS[:-1])} or {_PRECISIONS[-1]}"
    followed = _TRAINER | {"devices", "num_nodes", "accumulate_grad_batches"}
    for key, value in trainer.items():
        if key not in followed and value not in (None, False):
            return f"a population knows nothing of trainer.{key}={value}"
    if optim["_target_"] != "torch.optim.SGD" or not set(optim) <= _OPTIM:
        return f"a population has the optimizer torch.optim.SGD, with {', '.join(sorted(OWN_IN['optim']))}"
    if config["clipping"]["name"] not in _CLIPPINGS:
        return f"a population has clipping={' or '.join(_CLIPPINGS)}"
    if "_target_" in config["logger"]:
        return f"logger={config['logger']['name']} records one run of a process at a time"
    if config["model"].get("checkpoint_activations"):
        return "a population keeps its activations: model.checkpoint_activations must be false"
    return None
