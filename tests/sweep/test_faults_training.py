"""The faults of a sweep on real training: what was interrupted ends in the numbers of what was not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from commands import ROOT, ended
from initlab.results.store import Store

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(600)]
NETWORK = [
    "debug=smoke",
    "model=mlp",
    "model.depth=2",
    "model.width=16",
    "lr=0.01",
    "seed=0,1",
    "epochs=120",
    "trainer.limit_train_batches=99",
]


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "INITLAB_OUTPUT_DIR": str(folder)}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), "-m", *NETWORK, "hydra/launcher=pool", *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )


def metrics(folder: Path) -> dict[int, Any]:
    results = Store(folder).results()
    assert {result.status for result in results} == {"ok"}
    return {result.seed: result.metrics for result in results}


def workers_of(launcher: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == launcher:
            found.append(int(path.parent.name))
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Any]:
    folder = tmp_path_factory.mktemp("undisturbed")
    code, output = ended(start(folder), deadline_s=500)
    assert code == 0, output
    return metrics(folder)


def wait_for_epochs(folder: Path, process: subprocess.Popen[str], number: int) -> None:
    """Wait until both runs have trained for some epochs, and make sure that neither is at its end."""
    end = time.monotonic() + 200
    while time.monotonic() < end:
        tables = list(folder.glob("runs/*/metrics.csv"))
        if len(tables) == 2 and all(len(path.read_text().splitlines()) > number for path in tables):
            assert not list(folder.glob("runs/*/result.json"))
            return
        assert process.poll() is None
        time.sleep(0.05)
    raise AssertionError("the runs do not train")


@pytest.mark.parametrize("how", ["ctrl-c", "workers killed", "launcher killed", "checkpoint truncated"])
def test_an_interrupted_sweep_ends_in_the_numbers_of_one_that_was_not(
    tmp_path: Path, undisturbed: dict[int, Any], how: str
) -> None:
    process = start(tmp_path)
    wait_for_epochs(tmp_path, process, 3)
    if how == "ctrl-c":
        os.kill(process.pid, signal.SIGINT)
    elif how == "launcher killed":
        os.kill(process.pid, signal.SIGKILL)
    else:
        for worker in workers_of(process.pid):
            os.kill(worker, signal.SIGKILL)
    code, output = ended(process)
    assert code == {"ctrl-c": 130, "launcher killed": -9}.get(how, 0), output
    if how == "ctrl-c":
        errors = [result.error for result in Store(tmp_path).results()]
        assert errors == ["interrupted", "interrupted"]
        assert len(list(tmp_path.glob("runs/*/checkpoints/last.ckpt"))) == 2
    if how == "checkpoint truncated":
        for path in tmp_path.glob("runs/*/checkpoints/last.ckpt"):
            path.write_bytes(path.read_bytes()[:500])
    code, output = ended(start(tmp_path), deadline_s=500)
    assert code == 0, output
    assert metrics(tmp_path) == undisturbed
