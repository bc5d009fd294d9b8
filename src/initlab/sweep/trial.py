"""``sweep.population=auto``: how many runs of each architecture at a time, by a short trial on this machine.

The trial (:mod:`initlab.task.trial`) is made of real runs, in a process of its own, because planning imports
no torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from pathlib import Path

from initlab.results.atomic import write_text
from initlab.sweep.cell import Cell
from initlab.sweep.pack import architecture, packed, refusal
from initlab.sweep.slots import environment

SIZES = (4, 16, 64)
WORTH = 1.1  # a gain that a trial can be trusted with
LIMIT_S = 300.0

Times = Mapping[int, float]
"""Seconds of a run for the steps of the trial, by the number of runs at a time."""
Ask = Callable[[Sequence[Cell], Sequence[int], Mapping[str, str]], Times]


def trial(cells: Sequence[Cell], sizes: Sequence[int], place: Mapping[str, str]) -> Times:
    """Try the sizes, smallest first, until one is slower than that before; those not tried are left out."""
    order = {"sizes": list(sizes), "configs": [cell.config for cell in cells[: max(sizes)]]}
    try:
        told = subprocess.run(
            [sys.executable, "-m", "initlab.task.trial"],
            input=json.dumps(order).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(place),
            timeout=LIMIT_S,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as late:
        told = late.stdout or b""
    whole, _, _ = told.rpartition(b"\n")
    return {int(size): seconds for size, seconds in map(json.loads, whole.splitlines())}


def packed_by_trial(
    cells: Sequence[Cell],
    places: Sequence[Mapping[str, str]],
    memory: Path,
    say: Callable[[str], None],
    ask: Ask = trial,
) -> list[Cell]:
    """Pack the cells of each architecture by so many as were fastest, and say so.

    A pack is never so large that a place would have nothing to do.

    Args:
        cells: to pack.
        places: where runs are carried out at a time: the environment of each.
        memory: a file that keeps what was found for this sweep, so that it goes on with the same packs.
        say: prints a line.
        ask: times the sizes.
    """
    known = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(architecture(cell.config), []).append(cell)
    result: list[Cell] = []
    for name, group in groups.items():
        key = hashlib.sha256(f"{platform.node()} {os.cpu_count()} {name}".encode()).hexdigest()[:12]
        if key not in known:
            known[key], why = _decide(group, places, ask)
            say(f"population of model={group[0].config['model']['name']}: {why}")
        result += packed(group, known[key]) if known[key] > 1 else group
    write_text(memory, json.dumps(known) + "\n")
    return result


def _decide(cells: Sequence[Cell], places: Sequence[Mapping[str, str]], ask: Ask) -> tuple[int, str]:
    """Return how many runs at a time, and why."""
    why = refusal(cells[0].config)
    if why is not None:
        return 1, f"each run by itself, since {why}"
    most = min(ceil(len(cells) / len(places)), max(SIZES))
    if most < 2:
        return 1, "each run by itself, since every one has a place of its own"
    sizes = [1, *(size for size in SIZES if size < most), most]
    times = ask(cells, sizes, places[0])
    if 1 not in times or len(times) == 1:
        return 1, "each run by itself, since a trial of several at a time did not succeed"
    shown = ", ".join(f"{size}: {1000 * seconds:.3g} ms" for size, seconds in times.items())
    best = min(times, key=lambda size: times[size])
    gain = times[1] / times[best]
    if best == 1 or gain < WORTH:
        return 1, f"each run by itself, which a trial found fastest (step of one run at a time of {shown})"
    return best, f"{best} at a time, {gain:.1f} times as fast as alone in a trial (step of one run, {shown})"
