"""Sweeps of the task :mod:`faulty`, run as a person runs them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from initlab.results.store import Store

ROOT = Path(__file__).parents[2]
DEADLINE_S = 100


class FaultySweep:
    """``python train.py -m task._target_=faulty.run seed=0-<n-1> ...`` into a folder of its own."""

    def __init__(self, folder, num_cells=6, launcher="pool"):
        self.folder, self.num_cells, self.launcher = folder, num_cells, launcher
        self.output_dir, self.log = folder / "outputs", folder / "starts"

    def start(self, *arguments, faults=(), environment=()):
        command = [sys.executable, str(ROOT / "train.py"), "-m", "task._target_=faulty.run"]
        command += [f"seed=0-{self.num_cells - 1}", f"hydra/launcher={self.launcher}", *arguments]
        if self.launcher == "pool" and not any("num_workers" in word for word in arguments):
            command.append("hydra.launcher.num_workers=2")
        added = {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "FAULTS": json.dumps(dict(faults)),
            "FAULT_STARTS": str(self.log),
            "INITLAB_OUTPUT_DIR": str(self.output_dir),
        }
        return subprocess.Popen(
            command,
            env=os.environ | added | dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            start_new_session=True,
        )

    def run(self, *arguments, faults=(), environment=()):
        return ended(self.start(*arguments, faults=faults, environment=environment))

    def starts(self, rank=0):
        """Return how often each seed was started, by this one of its processes."""
        return Counter(int(line[0]) for line in self._lines(rank))

    def pid(self, seed, rank=0):
        """Return the process in which a seed was last started."""
        return [int(line[1]) for line in self._lines(rank) if int(line[0]) == seed][-1]

    def _lines(self, rank):
        log = self.log if rank == 0 else self.log.with_name(f"{self.log.name}.{rank}")
        return [line.split() for line in log.read_text().splitlines()] if log.exists() else []

    def states(self):
        """Return the status of each seed that has a result."""
        return {result.seed: result.status for result in Store(self.output_dir).results()}

    def wait_for(self, condition, what):
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, f"{what} did not come"
            time.sleep(0.02)


def ended(process, deadline_s=DEADLINE_S):
    """Wait for a command; return its exit code and what it printed."""
    try:
        output, _ = process.communicate(timeout=deadline_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"it hangs: {process.communicate()[0]}") from None
    return process.returncode, output
