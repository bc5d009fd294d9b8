"""The logger of a run, one per run of a sweep, always closed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from initlab.results.record import Status
from initlab.results.run_folder import RunFolder
from initlab.task.build import build
from initlab.task.run import Outcome, status_of
from initlab.training.log import Log


def build_log(config: Mapping[str, Any], folder: RunFolder) -> Log:
    """Build the logger that the config names; nothing is written before it is opened.

    Raises:
        ConfigError: one of its options is wrong.
    """
    node = config["logger"]
    if "_target_" not in node:
        return Log()
    if node["name"] == "wandb":
        log: Log = build(node, folder=folder, config=config)
        return log
    return Log(build(node, save_dir=str(folder.path), name=node["name"]))


@contextmanager
def recording(log: Log, outcome: Outcome) -> Iterator[Log]:
    """Open the logger, and close it with what became of the run, however the block ends.

    Raises:
        ConfigError: it cannot be opened.
    """
    log.open()
    status: Status = "crashed"
    try:
        yield log
        status = outcome.status
    except BaseException as error:
        status = status_of(error)
        raise
    finally:
        told = {"error": outcome.error, "device": outcome.device, "samples_per_s": outcome.samples_per_s}
        log.close(status, {**outcome.metrics, **told})
