"""A worker process: ``python -m initlab.sweep.worker <fd> <module:function>`` runs what the pool sends it.

It has a process group of its own, which ends as a whole when the process that feeds it does: nothing runs on
that no one waits for.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from initlab.errors import InitlabError
from initlab.progress import use
from initlab.results.lock import Held
from initlab.results.run_folder import RunFolder
from initlab.sweep.launch import carry_out
from initlab.sweep.wire import Wire

LOG = "log.txt"
Order = Sequence[tuple[str, Mapping[str, Any]]]  # run ids and configurations: one, or those of a pack


def main(fd: int, function: str) -> None:
    """Import the function and call it with the configuration of one order after another, until None comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    pipe = Connection(fd)
    inbox: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, inbox), daemon=True).start()
    module, _, name = function.partition(":")
    run = getattr(import_module(module), name)
    pipe.send(("ready", None))
    with use(Wire(pipe)):
        while (order := inbox.get()) is not None:
            pipe.send(_answer(run, order))


def _answer(run: Any, order: Order) -> tuple[str, Any]:
    """Return ``ended`` and what became of each run, or ``error`` and why none could be carried out.

    What a pack prints is in the folder of its first run, and the others' logs say so.
    """
    try:
        first, *others = (RunFolder(config["paths"]["output_dir"], run_id) for run_id, config in order)
        first.create()
        for folder in others:
            folder.create()
            with open(folder.path / LOG, "a", encoding="utf-8") as log:
                log.write(f"trained together with run {first.run_id}, whose folder has the log\n")
        with log_to(first.path / LOG):
            outcomes = carry_out(run, [config for _, config in order])
    except InitlabError as error:
        return "error", str(error)
    return "ended", [
        ("held", str(outcome)) if isinstance(outcome, Held) else ("result", outcome.to_json())
        for outcome in outcomes
    ]


def _listen(pipe: Connection, inbox: queue.SimpleQueue[Order | None]) -> None:
    try:
        while True:
            inbox.put(pipe.recv())
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Send what this process and its children print to the end of a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    before = [os.dup(fd) for fd in (1, 2)]
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        for fd in (1, 2):
            os.dup2(log, fd)
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):  # the disk is full, as the result's own write will say
                stream.flush()
        for fd, old in zip((1, 2), before, strict=True):
            os.dup2(old, fd)
            os.close(old)
        os.close(log)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
