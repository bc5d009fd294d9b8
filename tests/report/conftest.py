"""A sweep that was never run, whose every number is known."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from initlab.results.identity import run_id
from initlab.results.metrics_csv import MetricsCsv
from initlab.results.record import RunResult
from initlab.results.store import Store

Cell = tuple[str, float, int, str, float | None]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def fabricate(store: Store) -> Callable[..., None]:
    """Write cells (init, lr, seed, status, accuracy) as a sweep with results; ``missing`` has none."""

    def fabricate(
        cells: Iterable[Cell], name: str = "quickstart", drop: Iterable[str] = (), **more: Any
    ) -> None:
        planned = []
        for init, lr, seed, status, accuracy in cells:
            config = {
                "seed": seed,
                "lr": lr,
                "epochs": 3,
                "model": {"name": "mlp", "depth": 10, "width": 64},
                "data": {"name": "digits"},
                "init": {"name": init},
            } | more
            identity = run_id(config)
            overrides = {"init": init, "lr": str(lr), "seed": seed} | more
            kept = {key: value for key, value in overrides.items() if key not in drop}
            planned.append({"run_id": identity, "overrides": kept})
            if status == "missing":
                continue
            folder = store.folder(identity)
            folder.create()
            metrics: dict[str, float | int | None] = {}
            if accuracy is not None:
                metrics = {"val/acc": accuracy / 2, "best/val_acc": accuracy, "test/acc": accuracy - 0.125}
                for epoch in range(3):
                    MetricsCsv(folder.metrics_path).append(
                        {"epoch": epoch, "val/acc": accuracy * (epoch + 1) / 3}
                    )
            result = RunResult(identity, status, config, seed, metrics, {}, {}, "cpu", 1.0)  # type: ignore[arg-type]
            folder.write_result(result)
        manifest = {"cells": planned, "experiment": name, "command": f"python train.py -m experiment={name}"}
        store.write_sweep(name, manifest)

    return fabricate
