"""Several runs at a time on one machine: worker processes that stay warm and are replaced when they die.

Each slot (a GPU, some GPUs, or a share of the cores; :mod:`initlab.sweep.slots`) has a worker process
(:mod:`initlab.sweep.worker`) that imports torch once and then runs one cell after another. The parent keeps
one pipe to each. A worker that dies takes its own run down and nothing else: the run is recorded as killed, a
new worker takes the slot, and the sweep goes on.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any

from initlab.errors import ConfigError, InitlabError
from initlab.progress import Display, progress
from initlab.results.environment import SUBMITTED_CODE, own_code
from initlab.results.lock import Held
from initlab.results.record import RunResult
from initlab.results.run_folder import RunFolder
from initlab.sweep.cell import Cell
from initlab.sweep.launch import Report, Run, crashed
from initlab.sweep.lost import record_lost, stamp
from initlab.sweep.ranks import Ranks
from initlab.sweep.slots import environment, slots
from initlab.sweep.turns import Turns
from initlab.sweep.wire import Drawn

STOP_GRACE_S = 60.0  # from asking a run to stop to killing it
POLL_S = 0.2
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)


class Interrupted(KeyboardInterrupt):
    """The pool was asked to stop, and has stopped.

    Args:
        number: of the signal that asked.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


@dataclass(frozen=True)
class PoolOptions:
    """How runs are placed on the machine.

    Args:
        num_workers: processes; None for one per core, or for every GPU's share.
        jobs_per_gpu: runs at a time on one GPU.
        timeout_min: minutes after which a run is stopped and recorded as killed; None for never.
        warm: keep a worker for many runs; False starts a fresh process for each.
    """

    num_workers: int | None = None
    jobs_per_gpu: int = 1
    timeout_min: float | None = None
    warm: bool = True

    def __post_init__(self) -> None:
        timeout = self.timeout_min
        if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
            raise ConfigError(f"hydra.launcher.timeout_min={timeout}: must be positive, or null")
        if not isinstance(self.warm, bool):
            raise ConfigError(f"hydra.launcher.warm={self.warm}: must be true or false")


def places(cells: Sequence[Cell], options: PoolOptions) -> list[dict[str, str]]:
    """Return the environment of each worker that the cells get.

    Raises:
        ConfigError: a number is not positive, or there are fewer GPUs or machines than one run needs.
    """
    on_cpu = all(cell.config.get("trainer", {}).get("accelerator") == "cpu" for cell in cells)
    ranks = Ranks.of_all(cell.config for cell in cells)
    if ranks.nodes > 1 and Turns.of_environment(os.environ) is None:
        raise ConfigError(
            f"trainer.num_nodes={ranks.nodes}: hydra/launcher=pool has one machine; take hydra/launcher=slurm"
        )
    return slots(len(cells), options.num_workers, options.jobs_per_gpu, ranks.per_node, on_cpu)


def in_pool(
    run: Run, cells: Sequence[Cell], report: Report, fail_fast: bool, options: PoolOptions = PoolOptions()
) -> None:
    """Run the cells on several worker processes and report what became of each as it comes.

    Ctrl-C, SIGTERM, SIGHUP or SIGUSR2 start nothing more and ask the runs to stop; they are recorded as
    killed. A second Ctrl-C kills them.

    Args:
        run: carries out one configuration; must be importable by name in a fresh process.
        cells: what to run, in this order.
        report: called in this process for every cell that was started.
        fail_fast: start nothing more after a crash.
        options: how runs are placed.

    Raises:
        ConfigError: the machine has no place for a run.
        Interrupted: after it was stopped.
        InitlabError: a worker says that the configuration, the data or the output folder is at fault; the
            runs that were under way are stopped.
    """
    slots_ = places(cells, options)
    waiting = deque(cells)
    fault: InitlabError | None = None
    with progress() as display, stop_signals() as heard:
        workers: list[_Worker | None] = [None] * len(slots_)
        try:
            while True:
                if heard or fault:
                    waiting.clear()
                    reason = "interrupted" if fault is None else "stopped since another run could not go on"
                    for worker in workers:
                        if worker is not None and worker.cell is not None:
                            worker.stop(reason, at_once=heard.count(signal.SIGINT) > 1)
                for index, place in enumerate(slots_):
                    worker = workers[index]
                    if not waiting or (worker is not None and worker.cell is not None):
                        continue
                    if worker is None or not worker.alive():
                        workers[index] = worker = _Worker(run, place, display)
                    worker.start(waiting.popleft(), options.timeout_min)
                busy = [worker for worker in workers if worker is not None and worker.cell is not None]
                if not busy:
                    break
                wait([worker.pipe for worker in busy], timeout=POLL_S)
                for index, worker in enumerate(workers):
                    if worker is None or worker.cell is None:
                        continue
                    try:
                        outcomes = worker.receive()
                    except InitlabError as error:
                        fault = fault or error
                        continue
                    if outcomes is None:
                        continue
                    for outcome in outcomes:
                        report(outcome)
                    if fail_fast and any(crashed(outcome) for outcome in outcomes):
                        waiting.clear()
                    if not options.warm or not worker.alive():
                        worker.close()
                        workers[index] = None
        finally:
            for worker in workers:
                if worker is not None:
                    worker.close()
    if fault is not None:
        raise fault
    if heard:
        raise Interrupted(heard[0])


class _Worker:
    """The parent's end of one worker process."""

    def __init__(self, run: Run, slot: Mapping[str, str], display: Display) -> None:
        self.drawn = Drawn(display)
        self.cell: Cell | None = None
        self.ready = False
        near, far = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-m", __package__ + ".worker", str(far.fileno()), name_of(run)],
            env={SUBMITTED_CODE: json.dumps(own_code()), **environment(slot)},
            pass_fds=[far.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # so that Ctrl-C reaches this process alone, and a group ends as one
        )
        far.close()
        self.pipe = Connection(near.detach())

    def alive(self) -> bool:
        return self.process.poll() is None

    def start(self, cell: Cell, timeout_min: float | None) -> None:
        self.cell, self.clock = cell, time.monotonic()
        self.folders = [RunFolder(one.config["paths"]["output_dir"], one.run_id) for one in cell.members]
        self.before = [stamp(folder) for folder in self.folders]
        self.timeout_min = timeout_min
        self.deadline = None if timeout_min is None else self.clock + 60 * timeout_min
        self.reason: str | None = None
        self.kill_at = float("inf")
        with suppress(OSError):  # it is dead, as `receive` will find
            self.pipe.send([(one.run_id, dict(one.config)) for one in cell.members])

    def stop(self, reason: str, at_once: bool = False) -> None:
        """Ask the run to stop, and kill it if it does not, or at once."""
        if self.reason is None:
            self.reason, self.kill_at = reason, time.monotonic() + STOP_GRACE_S
            with suppress(ProcessLookupError):
                self.process.terminate()
        if at_once:
            self.kill_at = time.monotonic()

    def receive(self) -> list[RunResult | Held] | None:
        """Take what the worker sent; return what became of its run, or of each of its pack, once known.

        Raises:
            InitlabError: the run, or the worker itself, could not be started.
        """
        now = time.monotonic()
        if self.deadline is not None and now > self.deadline:
            self.stop(f"stopped after timeout_min={self.timeout_min:g}")
        if now > self.kill_at:
            self._kill()
        ended = not self.alive()  # before reading: what it sent last is then in the pipe
        try:
            while self.pipe.poll():
                kind, content = self.pipe.recv()
                if kind == "ready":
                    self.ready = True
                elif kind == "draw":
                    self.drawn.draw(*content)
                else:
                    return self._ended(kind, content)
        except (EOFError, OSError):
            self.process.wait()
            ended = True
        return self._killed() if ended else None

    def close(self) -> None:
        self.drawn.clear()
        if self.cell is None and self.alive():
            with suppress(OSError, subprocess.TimeoutExpired):
                self.pipe.send(None)
                self.process.wait(5)
        self._kill()
        self.pipe.close()

    def _kill(self) -> None:
        """Kill the whole group: the loaders of a worker that is dead may live on."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _ended(self, kind: str, content: Any) -> list[RunResult | Held]:
        self.cell = None
        if kind == "error":
            raise InitlabError(content)
        return [self._outcome(folder, *told) for folder, told in zip(self.folders, content, strict=True)]

    def _outcome(self, folder: RunFolder, kind: str, content: str) -> RunResult | Held:
        if kind == "held":
            return Held(content)
        result = RunResult.from_json(content)
        if result.status == "killed" and self.reason is not None:
            result = replace(result, error=self.reason)
            folder.write_result(result)
        return result

    def _killed(self) -> list[RunResult | Held]:
        """Record the run, or each of the pack, of a worker that died under it."""
        cell, self.cell = self.cell, None
        assert cell is not None
        code = self.process.wait()
        if code > 0 and not self.ready:
            raise InitlabError("a worker process could not start; its traceback stands above")
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self._kill()
        error = self.reason or f"the worker process ended with {how}"
        share = (time.monotonic() - self.clock) / len(cell.members)
        lost = zip(self.folders, cell.members, self.before, strict=True)
        return [record_lost(folder, one.config, old, error, wall_s=share) for folder, one, old in lost]


def name_of(run: Run) -> str:
    """Return the name by which a worker imports a function."""
    return f"{run.__module__}:{run.__qualname__}"


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collect the signals that ask to stop, instead of dying by them."""
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield heard
        return

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)

    before = {number: signal.signal(number, hear) for number in _STOP_SIGNALS}
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
