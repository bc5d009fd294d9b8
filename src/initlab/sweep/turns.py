"""The tasks of one SLURM job, which carry out its runs together: the first leads, the others take part.

They meet in a folder that all can see. The first task announces each run in a file, the others start their
rank of it and leave a file if that failed; every file has one writer.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from initlab.results.atomic import make_folder, write_text
from initlab.sweep.ending import Ending

FOLDER, ADDRESS = "INITLAB_TURNS", "INITLAB_ADDRESS"
POLL_S = 0.2


class Turns:
    """The runs of a job in their order.

    Args:
        folder: where the tasks meet.
        address: of the host of the first task, as the others know it.
    """

    def __init__(self, folder: Path, address: str = "") -> None:
        self.folder, self.address = folder, address

    @classmethod
    def of_environment(cls, variables: Mapping[str, str]) -> Turns | None:
        """Return those of the job that this process is part of; None where no other task takes part."""
        return cls(Path(variables[FOLDER]), variables[ADDRESS]) if FOLDER in variables else None

    @contextmanager
    def lead(self) -> Iterator[None]:
        """Lead the processes of the first task to the folder; at the end of the block close it."""
        make_folder(self.folder)
        # The name of a node may mean nothing to the others; then `setup` of the launcher sets MASTER_ADDR.
        address = os.environ.get("MASTER_ADDR") or socket.gethostname()
        os.environ.update({FOLDER: str(self.folder), ADDRESS: address})
        try:
            yield
        finally:
            write_text(self.folder / "end", "")

    @contextmanager
    def announce(self, function: str, config: Mapping[str, Any], group: Mapping[str, str]) -> Iterator[Turn]:
        """Let the other tasks start their ranks of a run, and end them at the end of the block."""
        turn = self.turn(len(list(self.folder.glob("*.json"))))
        order = {"function": function, "config": dict(config), "group": dict(group)}
        write_text(turn.announcement, json.dumps(order))
        try:
            yield turn
        finally:
            write_text(turn.over_path, "")

    def turn(self, number: int) -> Turn:
        """Return a turn by its number."""
        return Turn(self, number)

    @property
    def closed(self) -> bool:
        """Whether no run follows."""
        return (self.folder / "end").exists()


class Turn:
    """One run of a job of several tasks."""

    def __init__(self, turns: Turns, number: int) -> None:
        self.turns, self.number = turns, number
        stem = turns.folder / f"{number:05d}"
        self.announcement, self.over_path = stem.with_suffix(".json"), stem.with_suffix(".over")

    def order(self) -> Mapping[str, Any] | None:
        """Return ``function``, ``config`` and ``group`` of the run once it is announced."""
        try:
            order: Mapping[str, Any] = json.loads(self.announcement.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return order

    @property
    def over(self) -> bool:
        """Whether the run has ended, also by the death of the process that announced it."""
        following = self.turns.turn(self.number + 1).announcement
        return self.over_path.exists() or self.turns.closed or following.exists()

    def leave(self, ending: Ending) -> None:
        """Tell the first task how a rank failed."""
        write_text(self.announcement.with_suffix(f".failed{ending.rank}"), json.dumps(asdict(ending)))

    def failures(self, wait_s: float = 0.0) -> list[Ending]:
        """Return how ranks of other tasks failed; where none has, wait a while for one."""
        end = time.monotonic() + wait_s
        while True:
            paths = sorted(self.turns.folder.glob(f"{self.announcement.stem}.failed*"))
            if paths or time.monotonic() >= end:
                return [Ending(**json.loads(path.read_text(encoding="utf-8"))) for path in paths]
            time.sleep(POLL_S)
