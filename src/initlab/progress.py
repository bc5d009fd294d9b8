"""Progress on the terminal: one display per process, which a sweep and the runs within it share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

console = Console(stderr=True)
_current: Progress | None = None


@contextmanager
def progress() -> Iterator[Progress]:
    """Open the display, or join the one that is open; quiet where the output is no terminal."""
    global _current
    if _current is not None:
        yield _current
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as display:
        _current = display
        try:
            yield display
        finally:
            _current = None
