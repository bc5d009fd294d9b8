"""The command as a person types it, on a small folder of results."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from initlab.cli.app import app
from initlab.results.record import RunResult
from initlab.results.store import Store

Type = Callable[..., Result]


@pytest.fixture
def type_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Type:
    monkeypatch.setenv("INITLAB_OUTPUT_DIR", str(tmp_path))
    return lambda *words: CliRunner().invoke(app, words)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three runs of a sweep, a run without a result, and a damaged one."""
    store = Store(tmp_path)
    cells = []
    for seed, (run_id, init, status) in enumerate(
        [("aa11", "proposed", "ok"), ("aa22", "pytorch", "diverged"), ("cc33", "pytorch", "crashed")]
    ):
        crashed = status == "crashed"
        result = RunResult(
            run_id=run_id,
            status=status,  # type: ignore[arg-type]
            config={"lr": 0.1, "model": {"name": "mlp", "depth": 10}, "init": {"name": init}},
            seed=seed,
            metrics={"best/val_acc": 0.75, "test/acc": 0.5} if status == "ok" else {"train/loss": None},
            versions={"torch": "2.13.0"},
            git={"commit": "abcdef", "dirty": True},
            device="cpu",
            wall_s=1.5,
            peak_memory_bytes=2**21,
            error="ValueError: boom" if crashed else None,
            started=f"2026-01-0{seed + 1}",
        )
        folder = store.folder(run_id)
        folder.create()
        folder.write_result(result)
        if crashed:
            folder.write_error("Traceback\nValueError: boom")
        cells.append({"run_id": run_id, "overrides": {"init": init, "seed": seed}})
    cells.append({"run_id": "ffff", "overrides": {"init": "proposed", "seed": 9}})
    store.write_sweep("quickstart", {"cells": cells, "experiment": "quick", "command": "python train.py"})
    store.folder("dd44").create()
    store.folder("dd44").write_config({"lr": 0.3})
    store.folder("ee55").create()
    store.folder("ee55").result_path.write_text("{")
    return store
