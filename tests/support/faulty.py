"""A task without torch that does what the environment says, seed by seed, and keeps count of its starts.

``FAULTS`` is JSON, ``{seed: act}``; ``FAULT_STARTS`` is a file that gets a line for each start. The ranks of
a run in several processes, which leave their starts in ``FAULT_STARTS.<rank>``, wait until all have started,
as those that train do; ``act@1`` is then what rank 1 does while the others wait for it.
"""

import contextlib
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

from initlab.stopping import Stopped, deferred, requested
from initlab.task.run import Outcome


def run(config, folder):
    seed = config["seed"]
    rank = os.environ.get("RANK", "0")
    with open(starts_file(rank), "a") as file:
        file.write(f"{seed} {os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES', '')}\n")
    for other in range(int(os.environ.get("WORLD_SIZE", "1"))):
        while starts(seed, str(other)) < starts(seed, rank):
            time.sleep(0.01)
    print(f"seed {seed} speaks")
    act = json.loads(os.environ.get("FAULTS", "{}")).get(str(seed), "ok")
    act, _, whose = act.partition("@")
    if whose and whose != rank:
        act = "sleep"
    if act == "raise":
        raise ValueError(f"seed {seed} is unlucky")
    if act == "exit":
        sys.exit(7)
    if act == "leave":
        os._exit(7)
    if act == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if act == "deaf":  # does not stop when asked
        while True:
            with contextlib.suppress(BaseException):
                time.sleep(60)
    if act == "full":  # every further write of this process fails, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    if act.startswith("count"):  # a second a number, going on from the file in the run's folder
        count(folder.path / "counted", int(act.removeprefix("count")))
    began = time.time()
    if act.startswith("sleep"):
        time.sleep(float(act.removeprefix("sleep") or 60))
    place = f"{os.environ.get('SLURMD_NODENAME', '')}:{os.environ.get('CUDA_VISIBLE_DEVICES', '')}"
    return Outcome(metrics={"value": seed, "start": began, "seconds": time.time() - began}, device=place)


def starts_file(rank):
    return Path(os.environ["FAULT_STARTS"] + ("" if rank == "0" else f".{rank}"))


def starts(seed, rank):
    lines = starts_file(rank).read_text().splitlines() if starts_file(rank).exists() else []
    return sum(line.split()[0] == str(seed) for line in lines)


def count(path, total):
    with deferred():
        done = len(path.read_text().split()) if path.exists() else 0
        for number in range(done, total):
            with open(path, "a") as file:
                file.write(f"{number}\n")
            time.sleep(1)
            if requested() is not None:
                raise Stopped(f"stopped by {requested()} after {number}")
