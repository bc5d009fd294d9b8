"""``python -m initlab.task.trial``: how long a run's steps take, by itself and in populations of some sizes.

Reads ``{"configs": [...], "sizes": [...]}`` and prints a line ``[size, seconds]`` for each size, the smallest
first, until one is slower than the one before: seconds of one run for one step. Each is taken from real runs
of two epochs of a few steps, of which the second counts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from tempfile import TemporaryDirectory
from typing import Any

from initlab.results.identity import run_id
from initlab.results.lock import Held
from initlab.results.metrics_csv import MetricsCsv
from initlab.results.run_folder import RunFolder
from initlab.task.population import run_population
from initlab.task.run import run_task

STEPS = 20


def seconds(configs: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the seconds of one run for one step, or None where no run came so far."""
    with TemporaryDirectory() as folder:
        short = [_shortened(config, folder) for config in configs]
        if len(short) == 1:
            run_task(short[0])
        elif any(isinstance(outcome, Held) for outcome in run_population(short)):
            return None
        found = [
            (row["seconds"], row["step"])
            for config in short
            for row in MetricsCsv(RunFolder(folder, run_id(config)).metrics_path).rows()
            if row["epoch"] == 1
        ]
    if not found:
        return None
    spent = max(float(row[0] or 0) for row in found)
    return spent / (int(found[0][1] or 0) / 2)


def _shortened(config: Mapping[str, Any], folder: str) -> dict[str, Any]:
    limits = {"limit_train_batches": STEPS, "limit_val_batches": 1, "limit_test_batches": 1}
    return {
        **config,
        "epochs": 2,
        "ckpt_path": None,
        "logger": {"name": "csv"},
        "optim": {**config["optim"], "lr": 1e-9},  # no run of a trial diverges
        "paths": {**config["paths"], "output_dir": folder},
        "sweep": {**config["sweep"], "retry": []},
        "trainer": {**config["trainer"], **limits},
    }


def main() -> None:
    """Time the sizes."""
    order = json.load(sys.stdin)
    answers, sys.stdout = sys.stdout, sys.stderr  # what a run prints is no answer
    before = float("inf")
    for size in order["sizes"]:
        try:
            spent = seconds(order["configs"][:size])
        except Exception as error:  # too large, or not to be packed: smaller ones stand
            print(f"{size} at a time: {error}", file=sys.stderr)
            break
        if spent is None:
            break
        print(json.dumps([size, spent]), file=answers, flush=True)
        if spent > before:
            break
        before = spent


if __name__ == "__main__":
    main()
