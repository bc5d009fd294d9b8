"""A task without torch that does what the environment says, seed by seed, and keeps count of its starts.

``FAULTS`` is JSON, ``{seed: act}``; ``FAULT_STARTS`` is a file that gets a line for each start.
"""

import contextlib
import json
import os
import resource
import signal
import sys
import time

from initlab.task.run import Outcome


def run(config, folder):
    seed = config["seed"]
    with open(os.environ["FAULT_STARTS"], "a") as file:
        file.write(f"{seed} {os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES', '')}\n")
    print(f"seed {seed} speaks")
    act = json.loads(os.environ.get("FAULTS", "{}")).get(str(seed), "ok")
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
    if act.startswith("sleep"):
        time.sleep(float(act.removeprefix("sleep") or 60))
    return Outcome(metrics={"value": seed})
