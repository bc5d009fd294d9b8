"""Progress on the terminal: one display per process, which a sweep and the runs within it share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

console = Console(stderr=True)


def tell(message: str, style: str = "") -> None:
    """Print one message on stderr as it is."""
    console.print(message, style=style, markup=False, highlight=False, soft_wrap=True)


class Display(Protocol):
    """What runs draw on: a terminal, or in a worker process the wire to the one that has it."""

    def add_task(
        self, description: str, *, total: float | None, completed: int = 0, note: str = ""
    ) -> TaskID:
        """Add a bar and return its handle."""

    def update(self, task_id: TaskID, *, advance: float | None = None, note: str = "") -> None:
        """Move a bar, or change the note beside it; an empty note leaves the old one."""

    def remove_task(self, task_id: TaskID) -> None:
        """Take a bar away."""


class Terminal:
    """Bars on the terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def add_task(
        self, description: str, *, total: float | None, completed: int = 0, note: str = ""
    ) -> TaskID:
        """Add a bar and return its handle."""
        return self._progress.add_task(description, total=total, completed=completed, note=note)

    def update(self, task_id: TaskID, *, advance: float | None = None, note: str = "") -> None:
        """Move a bar, or change the note beside it."""
        fields: dict[str, Any] = {"note": note} if note else {}
        self._progress.update(task_id, advance=advance, **fields)

    def remove_task(self, task_id: TaskID) -> None:
        """Take a bar away."""
        self._progress.remove_task(task_id)


_current: Display | None = None


@contextmanager
def progress() -> Iterator[Display]:
    """Open the display, or join the one that is open; quiet where the output is no terminal."""
    if _current is not None:
        yield _current
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}"),
    )
    quiet = not console.is_terminal
    with (
        Progress(*columns, console=console, disable=quiet, transient=True) as bars,
        use(Terminal(bars)) as display,
    ):
        yield display


@contextmanager
def use(display: Display) -> Iterator[Display]:
    """Make ``display`` the one that :func:`progress` joins."""
    global _current
    before, _current = _current, display
    try:
        yield display
    finally:
        _current = before
