"""Sweeps that were never run, whose every number is known."""

from collections.abc import Iterable, Mapping
from typing import Any

from initlab.report.values import NAMED_GROUPS, number
from initlab.results.identity import run_id
from initlab.results.metrics_csv import MetricsCsv
from initlab.results.record import RunResult
from initlab.results.store import Store

Fabrication = tuple[Mapping[str, Any], str, Mapping[str, float | None]]  # overrides, status, metrics


def config_of(axes: Mapping[str, Any]) -> dict[str, Any]:
    """Nest overrides as a composed config does: groups by name, dotted keys within them."""
    config: dict[str, Any] = {
        "seed": 0, "lr": 0.1, "epochs": 3, "batch_size": 128, "warmup_epochs": 0,
        "task": {"name": "fit"}, "model": {"name": "wrn", "num_blocks": 1}, "data": {"name": "cifar10"},
        "init": {"name": "proposed"}, "norm": {"name": "weight"},
    }  # fmt: skip
    for key, value in axes.items():
        if key in NAMED_GROUPS:
            config[key] = {**config.get(key, {}), "name": value}
        elif "." in key:
            group, name = key.split(".", 1)
            config[group] = {**config.get(group, {}), name: number(value)}
        else:
            config[key] = number(value)
    return config


def fabricate(
    store: Store, sweep: str, cells: Iterable[Fabrication], scale: str = "full", epochs: int = 3
) -> list[str]:
    """Write a sweep with results and curves; return the run ids. A ``missing`` cell has no result."""
    planned = []
    for index, (axes, status, metrics) in enumerate(cells):
        config = config_of(axes)
        identity = run_id(config)
        planned.append({"run_id": identity, "overrides": dict(axes)})
        if status == "missing":
            continue
        folder = store.folder(identity)
        folder.path.mkdir(parents=True, exist_ok=True)
        if "val/acc" in metrics:
            accuracy = metrics["val/acc"] or 0.0
            lines = [
                f"{epoch},{2.3 / (epoch + 1):.4f},{accuracy * (epoch + 1) / epochs:.4f}"
                for epoch in range(epochs)
            ]
            folder.metrics_path.write_text("\n".join(["epoch,train/loss,val/acc", *lines, ""]))
            assert MetricsCsv(folder.metrics_path).rows()
        result = RunResult(
            run_id=identity, status=status, config=config, seed=int(number(config["seed"])),  # type: ignore[arg-type]
            metrics=dict(metrics), versions={"python": "3.11.7", "torch": "2.13.0", "initlab": "0.1.0"},
            git={"commit": "0123456789abcdef", "dirty": False}, device="cpu", wall_s=10.0 + index % 7,
            started=f"2026-01-01T00:{index // 60 % 60:02}:{index % 60:02}+00:00",
            error="loss is not finite in epoch 1" if status == "diverged" else None,
        )  # fmt: skip
        folder.result_path.write_text(result.to_json())
    paper = sweep.removesuffix("-laptop")
    store.write_sweep(
        sweep,
        {
            "cells": planned,
            "experiment": paper,
            "scale": scale,
            "command": f"python train.py -m experiment={paper}",
        },
    )
    return [cell["run_id"] for cell in planned]
