"""``list runs`` and ``list sweeps``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from initlab.cli.console import Rows, new_table
from initlab.errors import InitlabError
from initlab.report.values import first, look_up, number
from initlab.results.record import RunResult
from initlab.results.store import NotFound, Store

COLOURS = {"ok": "green", "diverged": "yellow", "crashed": "red", "refused": "red"}
GROUPS = ("model", "init", "norm", "data")
NUMBERS = frozenset({"lr", "seed", "val acc", "test acc", "seconds", "runs"})


def table(store: Store, where: Sequence[str], last: int | None) -> Rows:
    """Return a line for each run, oldest first.

    Args:
        store: to read.
        where: conditions ``key=value`` that a run must meet, all of them.
        last: how many of the newest to show; None for all.

    Raises:
        NotFound: there is no run, or none that meets the conditions.
        InitlabError: a condition is not of the form ``key=value``.
    """
    conditions = [condition(text) for text in where]
    everything = store.results()
    if not everything:
        damaged = len(store.damaged())
        hint = f", and {damaged} that cannot be read (see `status`)" if damaged else ""
        raise NotFound(f"there is no result in {store.output_dir}{hint}: run `python train.py`")
    results = [result for result in everything if all(meets(result, *pair) for pair in conditions)]
    if not results:
        raise NotFound(f"none of the {len(everything)} runs has {' and '.join(where)}")
    results.sort(key=lambda result: (result.started, result.run_id))
    shown = results[-last:] if last else results
    header = ("id", "status", *GROUPS, "lr", "seed", "val acc", "test acc", "seconds")
    lines = Rows(header, NUMBERS, COLOURS)
    for result in shown:
        row = [result.run_id, result.status]
        row += [text(look_up(result.config, group)) for group in GROUPS]
        row += [text(result.config.get("lr")), str(result.seed)]
        row += [
            fraction(first(result.metrics, *names)) for names in (("best/val_acc", "val/acc"), ("test/acc",))
        ]
        lines.rows.append([*row, f"{result.wall_s:.1f}"])
    return lines


def sweeps(store: Store) -> Table:
    """Return a line for each sweep.

    Raises:
        NotFound: there is none.
    """
    names = store.sweeps()
    if not names:
        raise NotFound(f"there is no sweep in {store.output_dir}: run one with `python train.py -m ...`")
    lines = new_table("sweep", "experiment", "runs", "created", "command", right=NUMBERS)
    for name in names:
        manifest = store.read_sweep(name)
        experiment, created, command = (
            text(manifest.get(key)) for key in ("experiment", "created", "command")
        )
        lines.add_row(name, experiment, str(len(manifest["cells"])), created, Text(command))
    return lines


def condition(written: str) -> tuple[str, str]:
    """Split ``key=value``.

    Raises:
        InitlabError: there is no ``=``, or nothing before it.
    """
    key, equals, value = written.partition("=")
    if not key or not equals:
        raise InitlabError(f"--where {written}: write key=value, as in --where init=proposed")
    return key, value


def meets(result: RunResult, key: str, value: str) -> bool:
    """Say whether a run has this value: ``status``, a key of its config (``init``, ``lr``), a metric."""
    record: Mapping[str, Any] = {"status": result.status, "run_id": result.run_id, "seed": result.seed}
    if key in record:
        held = record[key]
    else:
        held = result.metrics[key] if key in result.metrics else look_up(result.config, key)
    return text(held).lower() == value.lower() or (held is not None and number(held) == number(value))


def text(value: Any) -> str:
    """Write a value of a config; nothing for None."""
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def fraction(value: float | None) -> str:
    """Write an accuracy as a fraction."""
    return "" if value is None else f"{value:.4f}"
