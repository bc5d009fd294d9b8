"""Seeded losses that a refactor leaves as they are; a change of numbers records them anew, in its own commit.

python tests/test_golden.py     writes tests/golden/smoke.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from initlab.results.identity import NUMBERS_VERSION
from initlab.task import run_task

if TYPE_CHECKING:
    from tiny_run import Compose  # which pytest finds, and not the command above

FILE = Path(__file__).parent / "golden" / "smoke.json"
SMOKE = ["debug=smoke", "batch_size=64", "trainer.num_threads=1", "lr=0.01", "seed=0"]
RUNS = {
    "mlp weight proposed": ["model=mlp", "model.depth=4", "model.width=32"],
    "mlp weight data_dependent": ["model=mlp", "model.depth=4", "model.width=32", "init=data_dependent"],
    "wrn weight hanin": ["model=wrn", "model.num_blocks=1", "init=hanin"],
    "wrn batch orthogonal": ["model=wrn", "model.num_blocks=1", "norm=batch", "init=orthogonal"],
    "cnn none he": ["model=cnn", "model.depth=3", "model.width=16", "norm=none", "init=he"],
    "lenet_strided none geometric": ["model=lenet_strided", "norm=none", "init=geometric"],
}
RELATIVE = 1e-3  # between processors: their kernels round differently, and four steps spread it


@pytest.mark.golden
@pytest.mark.parametrize("name", RUNS)
def test_a_seeded_run_has_the_recorded_losses(name: str, compose: Compose) -> None:
    recorded = json.loads(FILE.read_text())
    assert recorded["numbers_version"] == NUMBERS_VERSION, (
        "record the new numbers: python tests/test_golden.py"
    )
    metrics = run_task(compose(*SMOKE, *RUNS[name])).metrics
    for key, value in recorded["runs"][name].items():
        assert metrics[key] == pytest.approx(value, rel=RELATIVE), key


def record() -> None:
    """Run everything and write the file."""
    import tempfile

    from initlab.sweep.compose import Composer, config_loader

    torch.set_num_threads(1)
    runs = {}
    with tempfile.TemporaryDirectory() as folder, config_loader() as loader:
        for name, arguments in RUNS.items():
            config = Composer(loader).compose([f"paths.output_dir={folder}", *SMOKE, *arguments])
            metrics = run_task(config).metrics
            runs[name] = {key: metrics[key] for key in ("train/loss", "val/loss", "test/loss")}
    content = {
        "command": f"python train.py {' '.join(SMOKE)} ...",
        "versions": {"torch": torch.__version__},
        "relative_tolerance": RELATIVE,
        "numbers_version": NUMBERS_VERSION,
        "runs": runs,
    }
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    record()
