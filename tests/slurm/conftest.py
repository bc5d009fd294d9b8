"""A SLURM cluster of this machine's own: two nodes, each with 4 CPUs and 2 GPUs that do not exist."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commands import FaultySweep

SCRIPT = Path(__file__).parents[2] / "scripts" / "local_slurm.sh"
MAX_ARRAY_SIZE = 10
NEEDED = ("/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/sbin/munged", "/usr/bin/sbatch")


class Cluster:
    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1] % 20000 + 20000
        self.folder = folder
        self.environment = os.environ | {
            "LOCAL_SLURM_DIR": str(folder),
            "LOCAL_SLURM_PORT": str(port),
            "LOCAL_SLURM_ARRAY": str(MAX_ARRAY_SIZE),
            "SLURM_CONF": str(folder / "etc" / "slurm.conf"),
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
        }

    def do(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self.environment, text=True, capture_output=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self) -> None:
        # Its daemons would keep a pipe open.
        with open(self.folder.parent / "start.log", "w") as log:
            subprocess.run(
                ["bash", str(SCRIPT), "start"], env=self.environment, stdout=log, stderr=log, check=True
            )

    def stop(self) -> None:
        subprocess.run(["bash", str(SCRIPT), "stop"], env=self.environment, check=True)

    def queue(self) -> dict[str, str]:
        """Return the state of every job that is remembered."""
        lines = self.do("squeue", "-h", "-r", "-t", "all", "-o", "%i|%T").splitlines()
        return dict(line.split("|") for line in lines)

    def jobs(self, *states: str) -> list[str]:
        return [job for job, state in self.queue().items() if state in states]

    def resume(self, node: str) -> None:
        """Bring a node back, unless it came back by itself."""
        command = ["scontrol", "update", f"nodename={node}", "state=resume"]
        subprocess.run(command, env=self.environment, capture_output=True, check=False)

    def quiet(self) -> None:
        """Leave no job and no node that is not idle to the next test."""
        self.do("scancel", "--quiet", "-u", "root")
        for node in ("n1", "n2"):
            self.resume(node)
        end = time.monotonic() + 60
        while self.jobs("RUNNING", "COMPLETING", "PENDING") or self.do("sinfo", "-h", "-o", "%T") != "idle\n":
            assert time.monotonic() < end, self.do("sinfo", "-N")
            time.sleep(0.5)


@pytest.fixture(scope="session")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"there is no {missing[0]}: run scripts/local_slurm.sh install")
    if os.geteuid():
        pytest.skip("a SLURM cluster of one's own needs root")
    cluster = Cluster(tmp_path_factory.mktemp("slurm") / "cluster")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    yield running_cluster
    running_cluster.quiet()


class SlurmSweep(FaultySweep):
    """A sweep of the task that does what it is told, on the cluster."""

    def __init__(self, folder: Path, cluster: Cluster, num_cells: int = 4) -> None:
        super().__init__(folder, num_cells, launcher="slurm")
        self.cluster = cluster

    def start(self, *arguments, faults=(), environment=()):  # type: ignore[no-untyped-def]
        options = [
            "hydra.launcher.resources.cpus=1",
            "hydra.launcher.grace_s=15",
            "hydra.launcher.signal_s=30",
        ]
        needed = {key: self.cluster.environment[key] for key in ("SLURM_CONF", "PATH")}
        return super().start(*options, *arguments, faults=faults, environment=needed | dict(environment))

    def name(self) -> str:
        (path,) = (self.output_dir / "sweeps").glob("*/sweep.json")
        return path.parent.name

    def command(self, *words: str) -> tuple[int, str]:
        """Run ``python -m initlab sweep ...``."""
        done = subprocess.run(
            [sys.executable, "-m", "initlab", "sweep", *words, "-o", str(self.output_dir)],
            env=self.cluster.environment
            | {"PYTHONPATH": os.pathsep.join(sys.path), "FAULT_STARTS": str(self.log)},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def make_sweep(tmp_path: Path, cluster: Cluster) -> Callable[..., SlurmSweep]:
    return lambda num_cells=4: SlurmSweep(tmp_path, cluster, num_cells)
