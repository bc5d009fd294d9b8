"""``status``: how many runs came to which end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from initlab.cli.console import new_table
from initlab.results.record import STATUSES
from initlab.results.store import MISSING, NotFound, Store

COLUMNS = ("runs", *STATUSES, MISSING)


def table(store: Store, name: str | None) -> RenderableType:
    """Return the counts of each sweep and, where no name is given, of all runs and damaged results.

    Raises:
        NotFound: there is nothing to count, or no sweep of that name.
    """
    names = store.sweeps() if name is None else store.sweeps_of(name)
    lines = new_table("sweep", *COLUMNS, right=frozenset(COLUMNS))
    for sweep in names:
        run_ids = dict.fromkeys(cell["run_id"] for cell in store.read_sweep(sweep)["cells"])
        lines.add_row(sweep, *counts(store.states(run_ids).values()))
    if name is not None:
        return lines
    run_ids = dict.fromkeys(store.run_ids())
    if not names and not run_ids:
        raise NotFound(f"there is no run in {store.output_dir}: run `python train.py`")
    if names:
        lines.add_section()
    lines.add_row("all runs with a folder", *counts(store.states(run_ids).values()))
    damaged = [Text(str(reason), style="red") for _, reason in store.damaged()]
    return Group(lines, *damaged)


def counts(states: Iterable[str]) -> list[str]:
    """Return the number of runs, then of each status; a dot for none."""
    counter = Counter(states)
    return [str(counter.total()), *(str(counter[status] or "·") for status in COLUMNS[1:])]
