"""The logger of a run, one per run of a sweep, always finished."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from initlab.results.run_folder import RunFolder
from initlab.task.build import build


def build_logger(config: Mapping[str, Any], folder: RunFolder) -> Any:
    """Build the logger that the config names, or return False: ``metrics.csv`` is written without one.

    A W&B run has the run id as its id, so that a resumed run goes on in the same page; without an
    account it is written offline.
    """
    node = config["logger"]
    if "_target_" not in node:
        return False
    if node["name"] != "wandb":
        return build(node, save_dir=str(folder.path), name=node["name"])
    os.environ.setdefault("WANDB_SILENT", "true")
    arguments = dict(node)
    online = os.environ.get("WANDB_API_KEY") or os.path.exists(os.path.expanduser("~/.netrc"))
    if arguments.pop("mode") == "offline" or not online:
        arguments["offline"] = True
    title = f"{config['model']['name']}-{config['init']['name']}-lr{config['lr']:g}-s{config['seed']}"
    return build(
        arguments,
        save_dir=str(folder.path),
        id=folder.run_id,
        name=title,
        group=arguments.pop("group") or config["experiment"],
        resume="allow" if not arguments.get("offline") else None,
        config=dict(config),
    )


def finish_logger(logger: Any, metrics: Mapping[str, Any], exit_code: int) -> None:
    """Write the run's summary and close it, so that the next run of a sweep starts its own."""
    if type(logger).__name__ != "WandbLogger":
        return
    logger.experiment.summary.update(dict(metrics))
    logger.experiment.finish(exit_code=exit_code)
