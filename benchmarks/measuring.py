"""How the programs here measure: interleaved, in CPU and wall time, every sample kept, the machine named.

Contenders take turns within one run, and each round goes through them in the order opposite to the last
one's, so that what changes on the machine meanwhile meets all of them. No torch is imported here: a program
that starts processes to learn the most memory they held must hold little itself, because Linux counts what
a process held before it became another program.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1
ROOT = Path(__file__).parents[1]
GRACE_S = 10.0  # between asking a program to stop and killing it
# What decides how fast numbers of which kind are multiplied.
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_tile", "amx_bf16")


@dataclass(frozen=True)
class Spent:
    """What one unit of work took.

    Args:
        cpu: seconds of all cores, of this process and of those that worked for it.
        wall: seconds.
        memory: the most bytes held by one process, where a process was started for it.
    """

    cpu: float
    wall: float
    memory: int | None = None


Contender = Callable[[], Spent]


def compare(contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[Spent]]:
    """Let the contenders take turns, and return what each spent in each round."""
    spent: dict[str, list[Spent]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            spent[name].append(contenders[name]())
    return spent


def repeated(
    act: Callable[[], Any],
    times: int,
    warmup: int = 0,
    workers: Callable[[], Sequence[int]] = lambda: (),
    settle: Callable[[], Any] = lambda: None,
) -> Contender:
    """Make a contender of something short: what one call takes, the mean of ``times`` in a row.

    Args:
        act: the unit of work.
        times: calls in a row that are timed.
        warmup: calls before them that are not.
        workers: ids of the processes that work for this one.
        settle: waits for what a call has started elsewhere, on a GPU.
    """

    def measured() -> Spent:
        for _ in range(warmup):
            act()
        settle()
        pids = workers()
        cpu, wall = -cpu_seconds(pids), -time.perf_counter()
        for _ in range(times):
            act()
        settle()
        return Spent((cpu + cpu_seconds(pids)) / times, (wall + time.perf_counter()) / times)

    return measured


def cpu_seconds(pids: Sequence[int] = ()) -> float:
    """Return the CPU seconds that this process and the others have spent, to the nanosecond.

    The clock of another process has the number that ``clock_getcpuclockid`` computes on Linux.
    """
    return time.process_time() + sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)


def run(
    command: Sequence[str], check: bool = True, timeout: float | None = None, **environment: str
) -> Spent:
    """Run a program with one thread, and return what it and its children spent.

    Raises:
        RuntimeError: it failed; with the end of what it printed.
    """
    return run_together([command], check, timeout, **environment)


def run_together(
    commands: Sequence[Sequence[str]], check: bool = True, timeout: float | None = None, **environment: str
) -> Spent:
    """Run programs at the same time; the wall time is that until the last one ends.

    Those that run after ``timeout`` seconds are stopped, which is a failure.

    Raises:
        RuntimeError: one failed; with the end of what it printed.
    """
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", **environment}
    cpu, memory = 0.0, 0
    with ExitStack() as stack:
        logs = [stack.enter_context(tempfile.TemporaryFile()) for _ in commands]
        wall = -time.perf_counter()
        started = [
            subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            for command, log in zip(commands, logs, strict=True)
        ]
        if timeout is not None:
            for seconds, kind in ((timeout, signal.SIGTERM), (timeout + GRACE_S, signal.SIGKILL)):
                stop = threading.Timer(seconds, _end, (started, kind))
                stack.callback(stop.cancel)
                stop.start()
        for process in started:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            cpu += usage.ru_utime + usage.ru_stime
            memory = max(memory, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
        wall += time.perf_counter()
        for process, log in zip(started, logs, strict=True):
            if check and process.returncode:
                log.seek(0)
                told = log.read().decode(errors="replace")[-2000:]
                raise RuntimeError(f"{process.args!r} ended with {process.returncode}:\n{told}")
    return Spent(cpu, wall, memory)


def _end(processes: Sequence[subprocess.Popen[bytes]], kind: int) -> None:
    for process in processes:
        if process.returncode is None:
            os.kill(process.pid, kind)


def rows(case: str, unit: str, spent: Mapping[str, Sequence[Spent]]) -> list[dict[str, Any]]:
    """Write samples as they stand in the JSON: one row per contender, seconds per unit and bytes."""
    found = []
    for variant, samples in spent.items():
        row = {
            "case": case,
            "variant": variant,
            "unit": unit,
            "cpu_s": [float(f"{s.cpu:.4g}") for s in samples],
            "wall_s": [float(f"{s.wall:.4g}") for s in samples],
        }
        if all(s.memory is not None for s in samples):
            row["memory_bytes"] = [s.memory for s in samples]
        found.append(row)
    return found


def arguments(section: str, description: str | None, rounds: int) -> argparse.ArgumentParser:
    """Return the options that every section has."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{section}", description=description)
    data = Path(os.environ.get("INITLAB_DATA_DIR", "data"))
    parser.add_argument(
        "--data-dir", type=Path, default=data, help="holds MNIST and CIFAR-10, for torchvision"
    )
    parser.add_argument("--out", type=Path, help="JSON to write; the screen gets a summary either way")
    parser.add_argument("--rounds", type=int, default=rounds, help="turns that each contender has")
    parser.add_argument("--quick", action="store_true", help="tiny: to see that it works, not to measure")
    return parser


class Section:
    """Collects what a section measures, prints it as it comes, and writes it.

    Args:
        name: of the section.
        options: of the command line; see :func:`arguments`.
    """

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.name, self.out = name, options.out
        self.content: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "section": name,
            "command": f"python -m benchmarks.{name}" + "".join(_as_typed(options)),
            "quick": options.quick,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "rows": [],
        }
        self._clock = time.perf_counter()

    def add(self, case: str, unit: str, spent: Mapping[str, Sequence[Spent]], **more: Any) -> None:
        """Keep and print what contenders spent on one case."""
        for row in rows(case, unit, spent):
            self.content["rows"].append({**row, **more})
            memory = f"  {max(row['memory_bytes']) / 2**20:7.0f} MiB" if "memory_bytes" in row else ""
            print(
                f"{case:22} {row['variant']:28} {1e3 * median(row['cpu_s']):10.2f} ms CPU"
                f" {1e3 * median(row['wall_s']):10.2f} ms wall{memory}  per {unit}, n={len(row['cpu_s'])}",
                flush=True,
            )

    def write(self) -> None:
        """Write the JSON, if a file was named."""
        self.save()
        print(f"{self.name}: {self.content['seconds']:.0f} s")

    def save(self) -> None:
        """Write what is there so far."""
        self.content["seconds"] = round(time.perf_counter() - self._clock, 1)
        self.content["load_at_end"] = os.getloadavg()[0]
        if self.out is not None:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            self.out.write_text(json.dumps(self.content, indent=1) + "\n", encoding="utf-8")


def _as_typed(options: argparse.Namespace) -> list[str]:
    """Return the options that change what is measured; where data and output lie is nobody's business."""
    kept = {key: value for key, value in vars(options).items() if key not in ("data_dir", "out")}
    words = []
    for key, value in kept.items():
        name = f" --{key.replace('_', '-')}"
        if value is True:
            words.append(name)
        elif value not in (None, False):
            words.append(f"{name} {value}")
    return words


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return quartiles(values)[1]


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the quartiles, interpolated between neighbours; of one value three times that value."""
    ordered = sorted(values)

    def at(share: float) -> float:
        place = share * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (place - low) * (ordered[high] - ordered[low])

    return at(0.25), at(0.5), at(0.75)


def machine() -> dict[str, Any]:
    """Name the machine: processor and what it can do, cores, memory, versions, load."""
    about = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    fields = dict(line.split(":", 1) for line in about.split("\n\n")[0].splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    flags = fields.get("flags", "").split()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": fields.get("model name", platform.processor() or platform.machine()),
        # A cloud machine may call its processor by a family name alone; these numbers tell which one it is.
        "cpu_family": fields.get("cpu family"),
        "cpu_model": fields.get("model"),
        "flags": [flag for flag in FLAGS if flag in flags],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages / 2**30, 1),
        "system": platform.system(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0")) or None,
        "versions": {
            "python": platform.python_version(),
            **{
                name: metadata.version(name)
                for name in ("torch", "torchvision", "lightning", "numpy", "Pillow")
            },
        },
        "load_at_start": os.getloadavg()[0],
    }
