"""Several runs at a time on one machine: worker processes that stay warm and are replaced when they die.

Each worker imports torch once and then runs one cell after another. The parent keeps one pipe to each, so a
worker that is killed takes its own run down and nothing else: the run is recorded as killed, a new worker
takes the slot, and the sweep goes on.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection, wait
from typing import Any

from initlab.configs_dir import configs_dir
from initlab.errors import InitlabError
from initlab.progress import Display, TaskID, progress, use
from initlab.results.environment import git_state, versions
from initlab.results.record import RunResult
from initlab.results.run_folder import RunFolder
from initlab.sweep.launch import Run
from initlab.sweep.plan import Cell


def num_slots(num_workers: int | None) -> int:
    """Return the number of workers: as told, else one per core this process may use."""
    return num_workers or len(os.sched_getaffinity(0))


def in_pool(
    run: Run,
    cells: Sequence[Cell],
    report: Callable[[RunResult], None],
    fail_fast: bool,
    num_workers: int | None = None,
) -> None:
    """Run the cells on several worker processes and report each result as it comes.

    Args:
        run: carries out one configuration; must be importable by name in a fresh process.
        cells: what to run, in this order.
        report: called in this process with every result.
        fail_fast: start nothing more after a crash.
        num_workers: processes; None for one per core.

    Raises:
        InitlabError: a worker says that the configuration, the data or the output folder is at fault.
    """
    waiting = deque(cells)
    slots = min(num_slots(num_workers), len(waiting))
    threads = max(1, len(os.sched_getaffinity(0)) // max(1, slots))
    with progress() as display, _environment(OMP_NUM_THREADS=str(threads)):
        workers = [_Worker(run, display) for _ in range(slots)]
        try:
            for worker in workers:
                worker.start(waiting.popleft())
            while any(worker.cell for worker in workers):
                ready = wait([handle for worker in workers for handle in worker.handles()])
                for index, worker in enumerate(workers):
                    if worker.cell is None or not any(handle in ready for handle in worker.handles()):
                        continue
                    result = worker.receive()
                    if result is None:
                        continue
                    report(result)
                    if fail_fast and result.status == "crashed":
                        waiting.clear()
                    if not worker.process.is_alive():
                        worker.close()
                        workers[index] = worker = _Worker(run, display)
                    if waiting:
                        worker.start(waiting.popleft())
        finally:
            for worker in workers:
                worker.close()


class _Worker:
    """The parent's end of one worker process."""

    def __init__(self, run: Run, display: Display) -> None:
        context = mp.get_context("spawn")
        self.display = display
        self.bars: dict[int, TaskID] = {}
        self.cell: Cell | None = None
        self.pipe, far_end = context.Pipe()
        self.process = context.Process(target=_work, args=(run, far_end), daemon=True)
        self.process.start()
        far_end.close()

    def handles(self) -> list[Any]:
        return [self.pipe, self.process.sentinel]

    def start(self, cell: Cell) -> None:
        self.cell, self.clock, self.started = cell, time.perf_counter(), datetime.now(UTC)
        self.pipe.send(dict(cell.config))

    def receive(self) -> RunResult | None:
        """Take what the worker sent; return the result of its run once it is there, or once it died."""
        try:
            while self.pipe.poll():
                kind, content = self.pipe.recv()
                if kind == "result":
                    self.cell = None
                    return RunResult.from_json(content)
                if kind == "error":
                    raise InitlabError(content)
                self._draw(*content)
        except (EOFError, ConnectionResetError):
            pass
        if self.process.is_alive():
            return None
        self.process.join()
        return self._killed()

    def close(self) -> None:
        for bar in self.bars.values():
            self.display.remove_task(bar)
        self.bars = {}
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(5)
            self.process.kill()
        self.pipe.close()

    def _draw(self, method: str, bar: int, arguments: Mapping[str, Any]) -> None:
        if method == "add_task":
            self.bars[bar] = self.display.add_task(**arguments)
        elif method == "update":
            self.display.update(self.bars[bar], **arguments)
        else:
            self.display.remove_task(self.bars.pop(bar))

    def _killed(self) -> RunResult:
        """Record the run of a worker that died under it."""
        assert self.cell is not None
        code = self.process.exitcode or 0
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        cell, self.cell = self.cell, None
        result = RunResult(
            run_id=cell.run_id,
            status="killed",
            config=dict(cell.config),
            seed=cell.config["seed"],
            metrics={},
            versions=versions(),
            git=git_state(configs_dir().parent),
            device="unknown",
            wall_s=time.perf_counter() - self.clock,
            samples_per_s=None,
            peak_memory_bytes=None,
            error=f"the worker process ended with {how}",
            started=self.started.isoformat(timespec="seconds"),
        )
        folder = RunFolder(cell.config["paths"]["output_dir"], cell.run_id)
        folder.create()
        folder.write_result(result)
        return result


def _work(run: Run, pipe: Connection) -> None:
    """Run the configurations that come through the pipe, until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    with use(_Wire(pipe)):
        while True:
            try:
                config = pipe.recv()
            except EOFError:
                return
            try:
                pipe.send(("result", run(config).to_json()))
            except InitlabError as error:
                pipe.send(("error", str(error)))


class _Wire:
    """A worker's display: tells the process that has the terminal, at most 10 times a second."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._bars = 0
        self._pending = 0.0
        self._sent = 0.0

    def add_task(
        self, description: str, *, total: float | None, completed: int = 0, note: str = ""
    ) -> TaskID:
        self._bars += 1
        arguments = {"description": description, "total": total, "completed": completed, "note": note}
        self._pipe.send(("draw", ("add_task", self._bars, arguments)))
        return TaskID(self._bars)

    def update(self, task_id: TaskID, *, advance: float | None = None, note: str = "") -> None:
        self._pending += advance or 0
        if time.monotonic() - self._sent < 0.1:
            return
        self._sent = time.monotonic()
        self._pipe.send(("draw", ("update", int(task_id), {"advance": self._pending, "note": note})))
        self._pending = 0.0

    def remove_task(self, task_id: TaskID) -> None:
        self._pending = 0.0
        self._pipe.send(("draw", ("remove_task", int(task_id), {})))


@contextmanager
def _environment(**variables: str) -> Any:
    """Set environment variables for the processes started within."""
    before = {key: os.environ.get(key) for key in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
