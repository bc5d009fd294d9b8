"""Progress bars drawn in one process and shown by another, over a pipe."""

from __future__ import annotations

import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

from initlab.progress import Display, TaskID


class Wire:
    """The display of a process without a terminal: tells the one that has it, at most 10 times a second."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._bars = 0
        self._pending = 0.0
        self._sent = 0.0

    def add_task(
        self, description: str, *, total: float | None, completed: int = 0, note: str = ""
    ) -> TaskID:
        """Add a bar and return its handle."""
        self._bars += 1
        arguments = {"description": description, "total": total, "completed": completed, "note": note}
        self._pipe.send(("draw", ("add_task", self._bars, arguments)))
        return TaskID(self._bars)

    def update(self, task_id: TaskID, *, advance: float | None = None, note: str = "") -> None:
        """Move a bar, or change the note beside it."""
        self._pending += advance or 0
        if time.monotonic() - self._sent < 0.1:
            return
        self._sent = time.monotonic()
        self._pipe.send(("draw", ("update", int(task_id), {"advance": self._pending, "note": note})))
        self._pending = 0.0

    def remove_task(self, task_id: TaskID) -> None:
        """Take a bar away."""
        self._pending = 0.0
        self._pipe.send(("draw", ("remove_task", int(task_id), {})))


class Drawn:
    """The other end: the bars that a process has on the display.

    Args:
        display: where they are shown.
    """

    def __init__(self, display: Display) -> None:
        self.display = display
        self._bars: dict[int, TaskID] = {}

    def draw(self, method: str, bar: int, arguments: Mapping[str, Any]) -> None:
        """Do what the process asks for."""
        if method == "add_task":
            self._bars[bar] = self.display.add_task(**arguments)
        elif method == "update":
            self.display.update(self._bars[bar], **arguments)
        else:
            self.display.remove_task(self._bars.pop(bar))

    def clear(self) -> None:
        """Take its bars away."""
        for bar in self._bars.values():
            self.display.remove_task(bar)
        self._bars = {}
