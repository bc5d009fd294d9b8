"""One run, one writer: a lock in the run's folder that a dead writer cannot keep.

The lock is a file ``lock.<n>``. Whoever finds the one of the highest ``n`` released or dead creates
``lock.<n+1>``, which the file system grants to one process alone: nothing is ever removed or renamed to take
a lock over, so of two that try, one wins. The newest file stays when the run is over (its modification time
is then 0) and tells who wrote the run.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from initlab.errors import InitlabError
from initlab.results.atomic import OutputError

BEAT_S = 5.0
GRACE_S = 60.0
JOB_VARIABLES = ("INITLAB_JOB_ID", "SLURM_JOB_ID")


class Held(InitlabError):
    """Another live process writes this run."""


class Lock:
    """The right to write one run, held within a ``with`` block.

    The file holds host, pid, the start time of the process, and the job id; a thread sets its modification
    time every ``beat_s`` seconds. A lock of this host is dead when its process is gone. One of another host
    is dead when its modification time is older than ``grace_s`` by the clock of the file system, *and* it
    does not change while one watches: a clock that jumps makes one wait, and never kills a live run.

    Args:
        folder: of the run; must be there.
        beat_s: seconds between two heartbeats.
        grace_s: age from which a heartbeat of another host is doubted.
    """

    def __init__(self, folder: Path, beat_s: float = BEAT_S, grace_s: float = GRACE_S) -> None:
        self.folder, self.beat_s, self.grace_s = folder, beat_s, grace_s
        self._number = 0
        self._over = threading.Event()

    def __enter__(self) -> Lock:
        """Take the lock.

        Raises:
            Held: a live process has it.
            OutputError: the folder cannot be written to.
        """
        try:
            while not self._try():
                pass
        except OSError as error:
            raise OutputError.of(self.folder, error) from error
        for number in self._numbers():
            if number < self._number:
                self._path(number).unlink(missing_ok=True)
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def _try(self) -> bool:
        """Take the lock, unless another was faster; then the next look says who."""
        newest = self._newest()
        if newest:
            self._refuse_if_alive(newest)
        try:
            self._create(newest + 1)
        except FileExistsError:
            return False
        if self._newest() != newest + 1:  # the one seen was no longer the newest
            self._path(newest + 1).unlink(missing_ok=True)
            return False
        self._number = newest + 1
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back."""
        self._over.set()
        self._thread.join()
        with contextlib.suppress(OSError):  # needs no room on the disk
            os.utime(self._path(self._number), (0, 0))

    def check(self) -> None:
        """See that the lock is still ours, before something is written that others may have written.

        Raises:
            Held: this process stood still for so long that another took it for dead.
        """
        newest = self._newest()
        if newest != self._number:
            raise Held(f"run {self.folder.name} was taken over by {self._describe(newest)}")

    def _refuse_if_alive(self, number: int) -> None:
        path = self._path(number)
        try:
            beat = path.stat().st_mtime
        except FileNotFoundError:
            return
        if beat == 0:
            return
        owner = self._owner(number)
        if owner.get("place") == _place():
            alive = _start_of(owner["pid"]) == owner["started"]
        else:
            age = self._now() - beat
            alive = 0 <= age <= self.grace_s or self._beats(path, beat)
        if alive:
            raise Held(f"run {self.folder.name} is being carried out by {self._describe(number)}")

    def _beats(self, path: Path, beat: float) -> bool:
        """Watch whether the modification time changes within two beats."""
        end = time.monotonic() + 2 * self.beat_s
        while time.monotonic() < end:
            time.sleep(self.beat_s / 10)
            try:
                if path.stat().st_mtime != beat:
                    return True
            except FileNotFoundError:
                return True
        return False

    def _beat(self) -> None:
        while not self._over.wait(self.beat_s):
            with contextlib.suppress(OSError):
                os.utime(self._path(self._number))

    def _now(self) -> float:
        """Return the time by the clock that stamps the files of this folder."""
        probe = self.folder / f".clock-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            probe.touch()
            return probe.stat().st_mtime
        except OSError as error:
            raise OutputError.of(probe, error) from error
        finally:
            probe.unlink(missing_ok=True)

    def _create(self, number: int) -> None:
        owner = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": _start_of(os.getpid()),
            "job": next((os.environ[name] for name in JOB_VARIABLES if name in os.environ), None),
            "place": _place(),
        }
        path = self._path(number)
        with open(path, "x", encoding="utf-8") as file:
            try:
                file.write(json.dumps(owner) + "\n")
                file.flush()
            except OSError:
                path.unlink(missing_ok=True)
                raise

    def _owner(self, number: int) -> Mapping[str, Any]:
        """Read who has a lock; nothing where its creation was cut short."""
        try:
            owner = json.loads(self._path(number).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return owner if isinstance(owner, dict) and {"host", "pid", "started"} <= set(owner) else {}

    def _describe(self, number: int) -> str:
        owner = self._owner(number)
        if not owner:
            return "another process"
        job = f" (job {owner['job']})" if owner.get("job") else ""
        return f"process {owner['pid']} on {owner['host']}{job}"

    def _numbers(self) -> list[int]:
        names = (entry.name for entry in os.scandir(self.folder))
        return [int(name[5:]) for name in names if name.startswith("lock.") and name[5:].isdigit()]

    def _newest(self) -> int:
        return max(self._numbers(), default=0)

    def _path(self, number: int) -> Path:
        return self.folder / f"lock.{number}"


def _place() -> str:
    """Name where a pid means something: the host since it was booted, and the pid namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _start_of(pid: int) -> str | None:
    """Return what tells a process from a later one of the same pid; None where there is no process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return "running"
    state, *others = fields.split()
    return None if state in "ZX" else others[18]
