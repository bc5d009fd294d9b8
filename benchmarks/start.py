"""CPU time until a command answers that trains nothing, against a template's start.

    python -m benchmarks.start [--out outputs/bench/start.json]

The runs that are listed, counted and reported are two of seconds, made first. The template's start is the
yardstick's ``--help``: like most templates it imports its framework before it reads the command line.
"""

from __future__ import annotations

import sys
import tempfile

from benchmarks.measuring import Section, arguments, compare, run

TRAIN = [sys.executable, "train.py"]
LOOK = [sys.executable, "-m", "initlab"]
SWEEP = ["model=mlp", "data=digits", "seed=0-1"]
GRID = ["model=mlp", "data=digits", "lr=0.01,0.1", "seed=0-19"]
TINY = ["debug=smoke", "model.depth=2", "model.width=16", "trainer.num_threads=1"]
COMMANDS: dict[str, list[str]] = {
    "train.py --help": [*TRAIN, "--help"],
    "train.py --cfg job": [*TRAIN, "--cfg", "job"],
    "train.py, a wrong key": [*TRAIN, "lrr=0.1"],
    "train.py -m, dry run of 40": [*TRAIN, "-m", *GRID, "sweep.dry_run=true"],
    "initlab --help": [*LOOK, "--help"],
    "initlab list": [*LOOK, "list"],
    "initlab list inits": [*LOOK, "list", "inits"],
    "initlab status": [*LOOK, "status"],
    "initlab report": [*LOOK, "report"],
    "template --help": [sys.executable, "-m", "benchmarks.yardstick", "--help"],
}  # fmt: skip


def main() -> None:
    options = arguments("start", __doc__, rounds=5).parse_args()
    section = Section("start", options)
    with tempfile.TemporaryDirectory() as folder:
        run([*TRAIN, "-m", *SWEEP, *TINY], INITLAB_OUTPUT_DIR=folder)
        found = {
            name: lambda command=command, name=name: run(
                command, check="wrong" not in name, INITLAB_OUTPUT_DIR=folder
            )
            for name, command in COMMANDS.items()
        }
        for name, spent in compare(found, 1 if options.quick else options.rounds).items():
            section.add("start", "call", {name: spent})
    section.write()


if __name__ == "__main__":
    main()
