"""Which cells an init or a network refuses, told before any cell runs.

Fitting is a matter of network, init, norm and the shape of the data, so each such combination is asked once,
however many cells have it. The network has to be built for that (:mod:`initlab.task.fitting`): in a process
of its own, because planning imports no torch, unless this one has torch or will run the cells.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from initlab.errors import ConfigError
from initlab.sweep.cell import Cell
from initlab.sweep.slots import environment

PARTS = ("model", "init", "norm", "data", "rl")
TASKS = frozenset(  # that build a network of the parts
    f"initlab.task.{name}.{name}" for name in ("fit", "probe", "rl", "rl_probe")
)
LIMIT_S = 180.0

Ask = Callable[[Sequence[str]], Sequence[tuple[str, str]]]
"""Takes combinations of parts, in JSON, and gives the verdict and the sentence on the first so many."""


def ask(combinations: Sequence[str]) -> list[tuple[str, str]]:
    """Ask a process of its own: the verdicts on all combinations, unless it dies or is slow."""
    if not combinations:
        return []
    command = [sys.executable, "-m", "initlab.task.fitting"]
    variables = environment({"CUDA_VISIBLE_DEVICES": ""})
    try:
        told = subprocess.run(
            command,
            input="".join(f"{parts}\n" for parts in combinations).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=variables,
            timeout=LIMIT_S,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as late:
        told = late.stdout or b""
    except OSError:
        return []
    whole, _, _ = told.rpartition(b"\n")
    return [(verdict, why) for verdict, why in map(json.loads, whole.splitlines())]


def refusals(cells: Sequence[Cell], ask: Ask = ask) -> dict[str, str]:
    """Return the run ids of the cells that would be refused, each with the sentence.

    What cannot be told without the data, or within ``LIMIT_S``, is left for the run itself to say.

    Args:
        cells: to be run.
        ask: tells what fits.

    Raises:
        ConfigError: a value of a cell makes no sense.
    """
    asked = [cell for cell in cells if cell.config.get("task", {}).get("_target_") in TASKS]
    combination = {cell.run_id: _combination(cell.config) for cell in asked}
    distinct = list(dict.fromkeys(combination.values()))
    verdicts = dict(zip(distinct, ask(distinct), strict=False))
    for verdict, sentence in verdicts.values():
        if verdict == "wrong":
            raise ConfigError(sentence)
    refused = {parts: why for parts, (verdict, why) in verdicts.items() if verdict == "refused"}
    return {run_id: refused[parts] for run_id, parts in combination.items() if parts in refused}


def _combination(config: Mapping[str, Any]) -> str:
    return json.dumps({part: config[part] for part in PARTS if part in config}, sort_keys=True)
