"""What the ranks of :mod:`test_group` do, without torch: the config says it, rank by rank."""

import atexit
import os
import signal
import sys
import time

from initlab.errors import ConfigError, Refused
from initlab.stopping import Stopped, deferred, requested


def run(config):
    """Do this rank's act; return what rank 0 sees of the group."""
    rank = os.environ["RANK"]
    act = config["acts"][int(rank)]
    with open(f"{config['folder']}/{rank}", "w") as file:
        file.write(str(os.getpid()))
    match act:
        case "wait":  # as for a peer that does not answer, in code that no signal interrupts
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(100)
        case "listen":
            with deferred():
                while requested() is None:
                    time.sleep(0.01)
            return requested()
        case "stop":
            atexit.register(time.sleep, 1)  # a process may take its time to end
            raise Stopped("stopped by SIGUSR2 after step 7")
        case "raise":
            raise ValueError("out of luck")
        case "lose":  # what a lost connection to another rank looks like
            while len(os.listdir(config["folder"])) < len(config["acts"]):
                time.sleep(0.01)  # the others have not started yet
            time.sleep(0.5)
            raise RuntimeError("connection closed by peer")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(7)
        case "refuse":
            raise Refused("the init does not fit")
        case "mistake":
            raise ConfigError("the data are not there")
        case "interrupted":
            sys.exit(3)
    return {name: os.environ[name] for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR")}
