"""The experiments that reproduce a paper's figure or table: their names, headers and grids."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Transformer

from initlab.sweep.compose import Composer, parse
from initlab.sweep.plan import grids

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "configs" / "experiment"
PAPERS = ("arpit2019", "risotto", "defazio")
SCALES = ("full", "laptop")


def names() -> list[str]:
    """``<paper>/<claim>`` of every experiment file."""
    return sorted(f"{paper}/{path.stem}" for paper in PAPERS for path in (EXPERIMENTS / paper).glob("*.yaml"))


def published() -> list[str]:
    """``<paper>/<claim>`` of every file of published numbers."""
    return sorted(
        f"{paper}/{path.stem}" for paper in PAPERS for path in (ROOT / "papers" / paper).glob("*.csv")
    )


def header(name: str) -> str:
    """The comments at the head of an experiment file."""
    text = (EXPERIMENTS / f"{name}.yaml").read_text(encoding="utf-8")
    return "\n".join(text.split("\ndefaults:")[0].splitlines()[1:])


def told_runs(name: str, scale: str) -> int:
    """The number of runs that the header tells."""
    asked = re.escape(f"experiment={name}") + (" scale=laptop" if scale == "laptop" else "")
    found = re.search(asked + r" {2,}([\d,]+) runs?; ", header(name))
    assert found, f"{name}: the header has no line '{asked}   <n> runs; <cost>'"
    return int(found[1].replace(",", ""))


def told_minutes(name: str, scale: str) -> float:
    """The minutes on 2 cores that the header tells as measured."""
    asked = re.escape(f"experiment={name}") + (" scale=laptop" if scale == "laptop" else "")
    found = re.search(
        asked + r" {2,}[\d,]+ runs?; about (a|\d+) minutes? on 2 cores \(measured\)", header(name)
    )
    assert found, f"{name}: the header tells no minutes on 2 cores as measured of scale={scale}"
    return 1.0 if found[1] == "a" else float(found[1])


def recorded_cost(name: str) -> tuple[str, float]:
    """The scale of the recorded runs, and their time in minutes on 2 cores, each with a run."""
    page = (ROOT / "docs" / "results" / f"{name}.md").read_text(encoding="utf-8")
    found = re.search(r"^- cost: ([\d.]+) (s|min|h) in all", page, re.MULTILINE)
    assert found, f"{name}: its page tells no cost"
    seconds = float(found[1]) * {"s": 1, "min": 60, "h": 3600}[found[2]]
    return ("laptop" if page.startswith(f"# {name}-laptop:") else "full"), seconds / 60 / 2


def axes(composer: Composer, name: str, scale: str) -> Iterator[dict[str, list[str]]]:
    """Each grid as a mapping from key to its single-valued overrides."""
    for grid in grids(composer, f"experiment={name}", (), scale):
        yield {key: single_values(argument) for key, argument in grid.items()}


def single_values(argument: str) -> list[str]:
    override = parse(argument)
    if not override.is_sweep_override():
        return [argument]
    values = override.sweep_iterator(Transformer.encode)
    return [f"{override.get_key_element()}={value!s}" for value in values]


def count(composer: Composer, name: str, scale: str) -> int:
    """The number of cells, without composing one."""
    return sum(prod(map(len, grid.values())) for grid in axes(composer, name, scale))


def combinations(composer: Composer, experiments: Sequence[str]) -> dict[tuple[str, ...], list[str]]:
    """Every combination of model, init, norm and data of the experiments, with arguments that make it."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name in experiments:
        for grid in axes(composer, name, "full"):
            for arguments in _of_groups(composer, grid):
                chosen = composer.base(
                    [f"experiment={name}", *(a for a in arguments if composer.is_structural(a))]
                ).choices
                key = tuple(str(chosen[group]) for group in ("model", "init", "norm", "data"))
                found.setdefault(key, [f"experiment={name}", *arguments])
    return found


def _of_groups(composer: Composer, grid: dict[str, list[str]]) -> Iterator[list[str]]:
    """The product over the groups of a grid, with the first value of every other axis."""
    lists: Sequence[Any] = [values if composer.is_group(key) else values[:1] for key, values in grid.items()]
    from itertools import product

    yield from map(list, product(*lists))
