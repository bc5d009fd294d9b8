"""Places where a run can be carried out on this machine: GPUs where there are any, else shares of the cores.

A slot is the environment of the processes that run in it. It is set before they start, because CUDA and the
thread pools read it when they are first imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from initlab.errors import ConfigError

# What tells Lightning and torch that they are part of a SLURM job or of a group of DDP processes.
_SCRUBBED_PREFIXES = ("SLURM_", "SBATCH_", "SRUN_", "PMI_", "PMIX_", "TORCHELASTIC_", "PL_")
_SCRUBBED = frozenset(
    {"MASTER_ADDR", "MASTER_PORT", "RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK"}
    | {"WORLD_SIZE", "LOCAL_WORLD_SIZE"}
)
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def slots(
    limit: int, num_workers: int | None, jobs_per_gpu: int = 1, processes: int = 1, on_cpu: bool = False
) -> list[dict[str, str]]:
    """Return the variables of each slot.

    Args:
        limit: no more slots than this, since there are not more runs.
        num_workers: at most so many; None for one per core, or for all GPUs.
        jobs_per_gpu: runs at a time on one GPU.
        processes: of one run, each with a GPU or a share of the cores of its own.
        on_cpu: the runs use no GPU, so do not count them.

    Raises:
        ConfigError: a number is not positive, or there are fewer GPUs than one run needs.
    """
    for key, value in (
        ("num_workers", 1 if num_workers is None else num_workers),
        ("jobs_per_gpu", jobs_per_gpu),
    ):
        if not isinstance(value, int) or value < 1:
            raise ConfigError(f"hydra.launcher.{key}={value}: must be a positive whole number")
    gpus = [] if on_cpu else visible_gpus()
    groups = [gpus[i : i + processes] for i in range(0, len(gpus) - processes + 1, processes)]
    if gpus and not groups:
        raise ConfigError(f"trainer.devices={processes}: this machine shows {len(gpus)} GPUs")
    # All GPUs get one run before any gets a second.
    places = [{"CUDA_VISIBLE_DEVICES": ",".join(group)} for group in groups * jobs_per_gpu]
    cores = len(os.sched_getaffinity(0))
    if not places:
        places = [{} for _ in range(num_workers or max(1, cores // processes))]
    places = places[: min(limit, num_workers or len(places))]
    share = str(max(1, cores // max(1, len(places) * processes)))
    threads = {name: os.environ.get(name, share) for name in THREADS}
    return [{**threads, **place} for place in places]


def visible_gpus() -> list[str]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES writes them."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        names = [name.strip() for name in listed.split(",")]
        hidden = next((i for i, name in enumerate(names) if name in ("", "-1")), len(names))
        return names[:hidden]  # as CUDA reads it
    try:
        told = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return []
    lines = [line for line in told.stdout.splitlines() if line.startswith("GPU ")]
    return [line.split(":")[0].removeprefix("GPU ") for line in lines] if told.returncode == 0 else []


def environment(slot: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of a process in a slot: this one's, without its part in any group.

    It imports from where this one does.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _SCRUBBED and not name.startswith(_SCRUBBED_PREFIXES)
    }
    return kept | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)} | dict(slot)
