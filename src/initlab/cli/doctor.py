"""``doctor``: what this machine has for runs and sweeps, what is wrong with it, and what to do about that.

Nothing heavy is imported, and nothing stays changed. The checks run side by side; one that fails or hangs
says so and takes none of the others with it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from initlab.cli.console import Rows
from initlab.configs_dir import configs_dir
from initlab.results.environment import git_state
from initlab.sweep import scheduler
from initlab.sweep.slots import visible_gpus
from initlab.tracking.login import NO_LOGIN, logged_in

DEADLINE_S = 2.0
COLOURS = {"ok": "green", "note": "yellow", "problem": "red"}
SHARED = frozenset(
    {"nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "glusterfs", "cifs", "smb3", "panfs", "wekafs", "afs"}
    | {"orangefs", "pvfs2", "fuse.glusterfs", "fuse.sshfs", "fuse.ceph", "fuse.juicefs", "virtiofs", "9p"}
)
DATA_SETS = {
    "cifar10": "cifar-10-batches-py",
    "cifar100": "cifar-100-python",
    "mnist": "MNIST",
    "tiny_imagenet": "tiny-imagenet-200",
    "libsvm": "libsvm",
}
LITTLE_GB, SCARCE_GB = 10, 1


@dataclass(frozen=True)
class Finding:
    """One line of the page.

    Args:
        level: ``problem`` where something will not work until someone acts.
        subject: what was looked at.
        text: what was found, and the remedy.
    """

    level: Literal["ok", "note", "problem"]
    subject: str
    text: str


Check = Callable[[], Iterator[Finding]]


def findings(output_dir: Path, data_dir: Path) -> list[Finding]:
    """Look at everything, within ``DEADLINE_S``.

    Args:
        output_dir: of the runs, ``paths.output_dir``.
        data_dir: of the data sets, ``paths.data_dir``.
    """
    checks: dict[str, Check] = {
        "python": python,
        "packages": packages,
        "torchvision": torchvision,
        "cpu": cpu,
        "gpu": gpu,
        "data": lambda: data(data_dir),
        "output": lambda: output(output_dir),
        "slurm": slurm,
        "wandb": wandb,
        "code": code,
    }
    found: dict[str, list[Finding]] = {}

    def look(subject: str, check: Check) -> None:
        try:
            found[subject] = list(check())
        except Exception as error:
            found[subject] = [
                Finding("problem", subject, f"cannot be looked at ({type(error).__name__}: {error})")
            ]

    threads = [threading.Thread(target=look, args=pair, daemon=True) for pair in checks.items()]
    for thread in threads:
        thread.start()
    end = time.monotonic() + DEADLINE_S
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    late = Finding("problem", "", f"gives no answer in {DEADLINE_S:g} s: its file system or program may hang")
    return [
        finding
        for subject in checks
        for finding in found.get(subject, [Finding(late.level, subject, late.text)])
    ]


def page(found: Sequence[Finding]) -> Rows:
    """Lay the findings out, a line each."""
    lines = Rows(("", "", ""), frozenset(), COLOURS)
    lines.rows.extend([finding.level, finding.subject, finding.text] for finding in found)
    return lines


def python() -> Iterator[Finding]:
    """Name the interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok", "python", f"{version} in {sys.prefix}")


def packages() -> Iterator[Finding]:
    """Hold what is installed to what the project asks for."""
    from packaging.requirements import Requirement

    remedy = "`make install` in a clone, or `pip install --upgrade initlab`"
    try:
        written = metadata.requires("initlab") or []
    except metadata.PackageNotFoundError:
        yield Finding("problem", "packages", f"initlab is not installed, and runs from its folder: {remedy}")
        return
    wrong = []
    for requirement in map(Requirement, written):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} is {version} and must be {requirement.specifier}")
    if wrong:
        yield Finding("problem", "packages", f"{'; '.join(wrong)}: {remedy}")
    else:
        names = ("torch", "lightning", "hydra-core", "submitit", "wandb")
        yield Finding("ok", "packages", ", ".join(f"{name} {metadata.version(name)}" for name in names))


def torchvision() -> Iterator[Finding]:
    """See that torch and torchvision are made for each other."""
    try:
        ours, theirs = metadata.version("torch"), metadata.version("torchvision")
    except metadata.PackageNotFoundError as error:
        yield Finding("problem", "torchvision", f"{error.name} is not installed: `make install`")
        return
    needs = [need for need in metadata.requires("torchvision") or [] if re.match(r"torch\b(?!\w)", need)]
    wanted = re.search(r"==\s*([\d.]+)", needs[0]) if needs else None
    if wanted and wanted[1] != ours.partition("+")[0]:
        told = f"torchvision {theirs} is made for torch {wanted[1]}, and torch is {ours}"
        yield Finding("problem", "torchvision", f"{told}: install the pair of requirements.lock")
    elif (built := _written("torchvision", "__version__")) and "+cu" in built and not _torch_cuda():
        told = f"{built} beside torch {ours}: its compiled operators cannot be loaded"
        yield Finding("ok", "torchvision", f"{told}, and initlab declares them in their place; none is used")
    else:
        yield Finding("ok", "torchvision", f"{theirs}, made for torch {ours}")


def cpu() -> Iterator[Finding]:
    """Count the cores that runs may use."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    told = f"{cores} cores, {memory:.0f} GiB of memory"
    share = _cgroup_cores()
    if share is not None and share < cores:
        remedy = f"hydra.launcher.num_workers={max(1, int(share))}"
        yield Finding("note", "cpu", f"{told}, of which this container gets {share:g} cores: set {remedy}")
    else:
        yield Finding("ok", "cpu", f"{told}; hydra/launcher=pool runs {cores} small runs at a time")


def gpu() -> Iterator[Finding]:
    """Count the GPUs, and see that torch can use them."""
    gpus, cuda = visible_gpus(), _torch_cuda()
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if gpus and not cuda:
        told = f"{len(gpus)} here, and torch is built for the CPU alone"
        yield Finding("problem", "gpu", f"{told}: install the wheel for CUDA, as pytorch.org names it")
    elif gpus:
        told = f"{len(gpus)} here, torch built for CUDA {cuda}"
        yield Finding("ok", "gpu", f"{told}; hydra/launcher=pool runs one run on each")
    elif hidden is not None:
        yield Finding("note", "gpu", f"CUDA_VISIBLE_DEVICES={hidden!r} hides all: unset it to use them")
    elif Path("/dev/nvidiactl").exists():
        told = "there is a driver, and nvidia-smi names no GPU"
        yield Finding("problem", "gpu", f"{told}: run nvidia-smi, and see that torch's CUDA {cuda} fits it")
    else:
        yield Finding("note", "gpu", "none here: runs take the CPU (trainer.accelerator=auto)")


def data(folder: Path) -> Iterator[Finding]:
    """See which data sets lie in the data folder."""
    where = folder.absolute()
    if not folder.is_dir():
        remedy = "data=digits needs none, others are fetched on first use or lie where paths.data_dir says"
        yield Finding("note", "data", f"no folder {where}: {remedy}")
        return
    here = [
        name
        for name, entry in DATA_SETS.items()
        if (folder / entry).is_dir() or (folder / "torchvision" / entry).is_dir()
    ]
    told = f"{', '.join(here)} in {where}" if here else f"none of {', '.join(DATA_SETS)} in {where}"
    writable = os.access(folder, os.W_OK)
    if not writable and len(here) < len(DATA_SETS):
        yield Finding("note", "data", f"{told}, which is read-only: nothing can be fetched into it")
    else:
        yield Finding("ok" if here else "note", "data", f"{told}; what is missing is fetched on first use")


def output(folder: Path) -> Iterator[Finding]:
    """See that results can be written, that there is room, and who else can see them."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    where, remedy = folder.absolute(), "choose another paths.output_dir"
    if not there.is_dir():
        yield Finding("problem", "output", f"{there} is a file: {remedy}")
        return
    try:
        with tempfile.TemporaryDirectory(dir=there) as probe, open(Path(probe, "file"), "wb") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        yield Finding("problem", "output", f"cannot write to {where}: {reason}; {remedy}")
    else:
        yield Finding("ok", "output", f"{where} can be written to")
    free, files = shutil.disk_usage(there).free / 1e9, os.statvfs(there)
    told = f"{free:.0f} GB free" if free >= 10 else f"{free:.1f} GB free"
    if free < SCARCE_GB or (files.f_files and files.f_favail < 1000):
        told = told if free < SCARCE_GB else f"{files.f_favail} more files"
        yield Finding("problem", "disk", f"{told}: a run that cannot write ends its sweep; make room")
    elif free < LITTLE_GB:
        yield Finding("note", "disk", f"{told}: a checkpoint of a WRN-40-10 takes 0.7 GB")
    else:
        yield Finding("ok", "disk", told)
    kind = _file_system(there)
    nodes = "the nodes of a cluster"
    if kind in SHARED:
        yield Finding("ok", "shared", f"{where} lies on {kind}, which other machines can see")
    elif kind in ("tmpfs", "ramfs"):
        yield Finding("note", "shared", f"{where} lies in memory ({kind}), and is lost with the machine")
    elif shutil.which("sbatch"):
        told = f"{where} lies on {kind}, which {nodes} may not see"
        yield Finding("note", "shared", f"{told}: for hydra/launcher=slurm choose a folder that they share")
    else:
        yield Finding("ok", "shared", f"{where} lies on {kind}, of this machine alone: enough without SLURM")


def slurm() -> Iterator[Finding]:
    """See that jobs can be submitted from here, and to which partitions."""
    missing = [tool for tool in scheduler.TOOLS if shutil.which(tool) is None]
    if len(missing) == len(scheduler.TOOLS):
        yield Finding("note", "slurm", "none here: hydra/launcher=pool uses this machine")
        return
    if missing:
        told = f"some of its programs are here, and no {', '.join(missing)}"
        yield Finding("problem", "slurm", f"{told}: take a login node, or install slurm-client")
        return
    try:
        told_ = subprocess.run(
            ["sinfo", "--noheader", "--format=%P|%a|%D|%l|%G"],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        refusal = scheduler.last_line(told_.stderr) if told_.returncode else ""
    except (OSError, subprocess.SubprocessError) as error:
        refusal = str(error)
    if refusal:
        yield Finding("problem", "slurm", f"sinfo says {refusal!r}: is the controller up, SLURM_CONF right?")
        return
    partitions: dict[str, list[str]] = {}
    for line in told_.stdout.splitlines():
        name, up, nodes, limit, gres = line.split("|", 4)
        extra = "" if gres in ("(null)", "") else f", {gres}"
        partitions.setdefault(name, []).append(f"{nodes} nodes {up}, {limit}{extra}")
    if not partitions:
        yield Finding("problem", "slurm", "it has no partition to submit to: ask its administrator")
    for name, rows in partitions.items():
        usable = any(" up," in row for row in rows)
        default = " (default)" if name.endswith("*") else ""
        told = f"partition {name.rstrip('*')}{default}: {'; '.join(rows)}"
        yield Finding("ok" if usable else "note", "slurm", told)
    if shutil.which("sacct") is None:
        yield Finding(
            "note", "slurm", "no sacct: states of jobs come from squeue, which forgets after minutes"
        )


def wandb() -> Iterator[Finding]:
    """See whether ``logger=wandb`` can be used, and where its runs go."""
    if find_spec("wandb") is None:
        yield Finding("note", "wandb", "not installed: logger=csv and tensorboard work without")
        return
    version, mode = metadata.version("wandb"), os.environ.get("WANDB_MODE")
    if mode in ("offline", "disabled", "dryrun"):
        yield Finding("note", "wandb", f"{version}; WANDB_MODE={mode}: nothing is sent until it is unset")
    elif logged_in():
        yield Finding("ok", "wandb", f"{version}, logged in: logger=wandb sends runs")
    else:
        yield Finding("note", "wandb", f"{version}; logger=wandb writes runs offline: {NO_LOGIN}")


def code() -> Iterator[Finding]:
    """See whether results can name the code that made them."""
    git = git_state(configs_dir().parent)
    if git["commit"] is None:
        yield Finding("note", "code", "no git repository: results name the version of initlab, and no commit")
    elif git["dirty"]:
        yield Finding(
            "note", "code", f"commit {git['commit'][:10]} with changes: commit them before long sweeps"
        )
    else:
        yield Finding("ok", "code", f"commit {git['commit'][:10]}")


def _written(package: str, name: str) -> str | None:
    """Return what ``version.py`` of a package sets ``name`` to, without importing it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "version.py"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    match = re.search(rf"^{name}\b[^=\n]*=\s*['\"]([^'\"]+)['\"]", text, re.MULTILINE)
    return match[1] if match else None


def _torch_cuda() -> str | None:
    """Return the version of CUDA, or ROCm, that torch was built for."""
    return _written("torch", "cuda") or _written("torch", "hip")


def _cgroup_cores() -> float | None:
    """Return the cores' worth of time that a container may use."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if quota == "max" else round(int(quota) / int(period), 1)
    except (OSError, ValueError):
        return None


def _file_system(path: Path) -> str:
    """Return the kind of file system that a folder lies on."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "an unknown file system"
    where = path.resolve()
    holding = [(len(m[1]), number, m[2]) for number, m in enumerate(mounts) if where.is_relative_to(m[1])]
    return max(holding)[2] if holding else "an unknown file system"
