"""Those who carry out an epoch: worker processes over one shared vector, or this process alone."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext, suppress
from math import inf
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

import torch
from torch import multiprocessing

from initlab.errors import ConfigError
from initlab.rl.actor import Actor
from initlab.rl.learning import Diverged, Rate, learn
from initlab.rl.shared import Shared

DESCRIPTORS = 10  # of a worker, in the process that started it
GRACE_S = 20.0  # for the other workers to end their rollouts
POLL_S = 0.2
MakeActor = Callable[[int], Actor]


class WorkerDied(Exception):
    """A worker was ended from outside."""


class WorkerCrashed(Exception):
    """A worker raised.

    Args:
        message: its last line.
        traceback: all of it.
    """

    def __init__(self, message: str, traceback: str) -> None:
        super().__init__(message)
        self.traceback = traceback


class Crew(Protocol):
    """Carries out epochs."""

    def epoch(self, end: int, asked_to_stop: Callable[[], bool]) -> None:
        """Learn until ``end`` frames are done, or until asked to stop, which is asked again and again.

        Raises:
            Diverged: an output or a loss was not finite.
            WorkerDied: a worker was ended from outside; all have stopped.
            WorkerCrashed: a worker raised; all have stopped.
        """

    def close(self) -> None:
        """End all processes."""


class Alone:
    """This process: A2C."""

    def __init__(self, make_actor: MakeActor, shared: Shared, rate: Rate) -> None:
        self.actor, self.shared, self.rate = make_actor(0), shared, rate

    def epoch(self, end: int, asked_to_stop: Callable[[], bool]) -> None:
        """See :class:`Crew`."""
        learn(self.actor, self.shared, self.rate, end, nullcontext(), asked_to_stop)

    def close(self) -> None:
        """Close the environments."""
        self.actor.environment.close()


class Workers:
    """Processes that work on the same memory: A3C.

    Args:
        make_actor: makes the actor of a worker, given its number, in its process.
        shared: by all.
        rate: the learning rate by frame.
        number: how many.
        num_threads: of torch in each.
    """

    def __init__(
        self, make_actor: MakeActor, shared: Shared, rate: Rate, number: int, num_threads: int
    ) -> None:
        context = multiprocessing.get_context("spawn")
        # Kept, for a process that has just started looks them up by names that go when they go.
        self._turn, self._stop = context.Lock(), context.Event()
        self.pipes: list[Connection] = []
        self.processes: list[Any] = []
        try:
            for index in range(number):
                near, far = context.Pipe()
                arguments = (index, far, make_actor, shared, rate, self._turn, self._stop, num_threads)
                process = context.Process(target=_work, args=arguments, daemon=True, name=f"worker {index}")
                process.start()
                far.close()
                self.pipes.append(near)
                self.processes.append(process)
        except BaseException:
            self.close()
            raise

    def epoch(self, end: int, asked_to_stop: Callable[[], bool]) -> None:
        """See :class:`Crew`."""
        self._stop.clear()
        for pipe in self.pipes:
            with suppress(OSError):  # one that is dead is noticed below
                pipe.send(end)
        working, endings, give_up = dict(enumerate(self.pipes)), [], inf
        while working and time.monotonic() < give_up:
            ready = wait(list(working.values()), timeout=POLL_S)
            for index in [index for index, pipe in working.items() if pipe in ready]:
                ending = self._heard(index)
                del working[index]
                if ending is not None:
                    endings.append(ending)
            if (endings or asked_to_stop()) and not self._stop.is_set():
                self._stop.set()
                give_up = time.monotonic() + GRACE_S
        if endings:
            raise endings[0]

    def close(self) -> None:
        """End all processes; those that wait for an epoch end by themselves."""
        for pipe in self.pipes:
            pipe.close()
        self._stop.set()
        for process in self.processes:
            process.join(timeout=2)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()

    def _heard(self, index: int) -> Exception | None:
        """Return what ended a worker's epoch other than its end."""
        try:
            ending: Exception | None = self.pipes[index].recv()
        except (EOFError, OSError):
            self.processes[index].join()
            code = self.processes[index].exitcode
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            return WorkerDied(f"worker {index} ended with {how}")
        if isinstance(ending, _Raised):
            return WorkerCrashed(f"{ending.message} (worker {index})", ending.traceback)
        return ending


class _Raised(Exception):
    """What a worker sends when it raised."""

    def __init__(self, message: str, traceback: str) -> None:
        super().__init__(message, traceback)
        self.message, self.traceback = message, traceback


def _work(
    index: int,
    pipe: Connection,
    make_actor: MakeActor,
    shared: Shared,
    rate: Rate,
    turn: Any,
    stop: Any,
    num_threads: int,
) -> None:
    """Carry out epochs as they are ordered, until the process that orders them closes the pipe or dies."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):  # the parent's to hear
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(num_threads)
    parent = os.getppid()

    def asked_to_stop() -> bool:
        return stop.is_set() or os.getppid() != parent

    actor: Actor | None = None
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            end = pipe.recv()
            ending: Exception | None = None
            try:
                actor = actor or make_actor(index)
                learn(actor, shared, rate, end, turn, asked_to_stop)
            except Diverged as diverged:
                ending = diverged
            except Exception as error:
                line = f"{type(error).__name__}: {error}".splitlines()[0]
                ending = _Raised(line, traceback.format_exc())
            pipe.send(ending)


def check_descriptors(number: int) -> None:
    """Make sure that so many workers can be started.

    Raises:
        ConfigError: this process may not open as many files.
    """
    if os.name != "posix":
        return
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and number * DESCRIPTORS > soft:
        raise ConfigError(
            f"rl.num_workers={number}: each takes {DESCRIPTORS} file descriptors, and a process here may "
            f"have {soft} (ulimit -n); {soft // DESCRIPTORS} workers is the most"
        )
