"""The most memory that a run holds, against the yardstick's: the peak resident set of the process.

    python -m benchmarks.memory [--data-dir data] [--out outputs/bench/memory.json]

Some training batches of 128, one evaluation batch, float32, one thread, the yardstick without loader
workers (each would be a process more). ``resident_bytes`` is the size of the data that ours keeps as they
are stored.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.cases import NETWORKS, RECIPE
from benchmarks.measuring import Section, Spent, arguments, compare, run

BATCHES = 10
RESIDENT = {
    "mlp_10x128": 70_000 * 28 * 28,
    "wrn_16_1": 60_000 * 3 * 32 * 32,
    "resnet_56": 60_000 * 3 * 32 * 32,
}


def main() -> None:
    options = arguments("memory", __doc__, rounds=2).parse_args()
    section = Section("memory", options)
    batches = 1 if options.quick else BATCHES
    for name, resident in RESIDENT.items():
        found = {
            "ours": lambda name=name: ours(name, options.data_dir, batches),
            "yardstick": lambda name=name: yardstick(name, options.data_dir, batches),
        }
        rounds = 1 if options.quick else options.rounds
        section.add(name, "run", compare(found, rounds), resident_bytes=resident)
    section.write()


def ours(name: str, data_dir: Path, batches: int) -> Spent:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "train.py", *NETWORKS[name], *RECIPE]
        command += [f"paths.data_dir={data_dir.absolute()}", f"paths.output_dir={folder}"]
        command += [f"trainer.limit_train_batches={batches}"]
        return run([*command, "trainer.limit_val_batches=1", "trainer.limit_test_batches=1"])


def yardstick(name: str, data_dir: Path, batches: int) -> Spent:
    root = data_dir / "torchvision" if (data_dir / "torchvision").is_dir() else data_dir
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.yardstick", "--network", name, "--output-dir", folder]
        command += ["--accelerator", "cpu", "--num-threads", "1", "--data-dir", str(root.absolute())]
        command += ["--limit-train-batches", str(batches)]
        return run([*command, "--limit-val-batches", "1", "--limit-test-batches", "1"])


if __name__ == "__main__":
    main()
