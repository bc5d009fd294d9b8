"""One of the processes of a run: ``python -m initlab.sweep.rank <fd> <module:function>``.

It receives a configuration, calls the function with it, and tells the process that started it how that ended
(:mod:`initlab.sweep.group`). It ends when that process does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from contextlib import nullcontext
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from initlab.errors import InitlabError, Refused
from initlab.progress import use
from initlab.stopping import Stopped, listening
from initlab.sweep.ending import Ending
from initlab.sweep.wire import Wire


def main(fd: int, function: str) -> None:
    """Carry out this process's part of one run."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    pipe = Connection(fd)
    rank, config = pipe.recv()
    threading.Thread(target=_end_with_parent, args=(pipe,), daemon=True).start()
    value, ending = None, Ending(rank, "returned")
    try:
        with listening(), use(Wire(pipe)) if rank == 0 else nullcontext():
            module, _, name = function.partition(":")
            value = getattr(import_module(module), name)(config)
    except BaseException as error:
        ending = _raised(rank, error)
    # Those of other ranks may be large, and are the same.
    pipe.send(("ended", (ending, value if rank == 0 else None)))


def _raised(rank: int, error: BaseException) -> Ending:
    if isinstance(error, Stopped):
        return Ending(rank, "stopped", str(error), time=time.time())
    if isinstance(error, InitlabError):
        kind: Any = "refused" if isinstance(error, Refused) else "error"
        return Ending(rank, kind, str(error), time=time.time())
    message = f"{type(error).__name__}: {error}".splitlines()[0]
    return Ending(rank, "crashed", message, traceback.format_exc(), time.time())


def _end_with_parent(pipe: Connection) -> None:
    try:
        pipe.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
