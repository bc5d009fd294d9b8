"""``status``: how many runs came to which end."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.text import Text

from initlab.cli.console import new_table
from initlab.results.record import STATUSES, Damaged, RunResult
from initlab.results.store import MISSING, NotFound, Store

COLUMNS = ("runs", *STATUSES, MISSING)


def table(store: Store, name: str | None) -> RenderableType:
    """Return the counts of each sweep and, where no name is given, of all runs.

    Below stand the results that cannot be read, and the runs on other code than was submitted.

    Raises:
        NotFound: there is nothing to count, or no sweep of that name.
    """
    names = store.sweeps() if name is None else store.sweeps_of(name)
    cells = {sweep: [cell["run_id"] for cell in store.read_sweep(sweep)["cells"]] for sweep in names}
    folders = store.run_ids() if name is None else []
    if name is None and not names and not folders:
        raise NotFound(f"there is no run in {store.output_dir}: run `python train.py`")
    found = store.read(dict.fromkeys(itertools.chain(folders, *cells.values())))
    lines = new_table("sweep", *COLUMNS, right=frozenset(COLUMNS))
    for sweep in names:
        lines.add_row(sweep, *counts(found[run_id] for run_id in dict.fromkeys(cells[sweep])))
    if name is None:
        if names:
            lines.add_section()
        lines.add_row("all runs with a folder", *counts(found[run_id] for run_id in folders))
    notes = [Text(str(one), style="red") for one in found.values() if isinstance(one, Damaged)]
    other = [run_id for run_id, one in found.items() if isinstance(one, RunResult) and one.other_code]
    if other:
        named = ", ".join(other[:3]) + (", ..." if len(other) > 3 else "")
        notes.append(Text(f"{len(other)} runs started on other code than was submitted: {named}"))
    return Group(lines, *notes)


def counts(found: Iterable[RunResult | Damaged | None]) -> list[str]:
    """Return the number of runs, then of each status; a dot for none."""
    counter = Counter(one.status if isinstance(one, RunResult) else MISSING for one in found)
    return [str(counter.total()), *(str(counter[status] or "·") for status in COLUMNS[1:])]
