"""Time of a grid: ours through the pool against one process of the yardstick per run, on all cores.

    python -m benchmarks.grid [--data-dir data] [--out outputs/bench/grid.json] [--full]

Two grids: 40 cells of the MLP 10x128 and 12 of WRN-10-1, each of one epoch with validation and test. The
yardstick runs one process per core at a time, without loader workers, or one process at a time with two.
All our cells of the first grid are run; of the yardstick, and of the second grid, a share of the cells is
run, and its time is multiplied (``cells`` and ``cells_run`` in the JSON); ``--full`` runs all of them.
Multiplying our share counts the start of the pool several times over. Every process has one thread.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from benchmarks.cases import NETWORKS, RECIPE
from benchmarks.measuring import Section, Spent, arguments, run, run_together

INITS = ("pytorch", "proposed")


@dataclass(frozen=True)
class Grid:
    """A grid and how much of it is run.

    Args:
        network: of all cells.
        lrs: learning rates.
        seeds: ``0 .. seeds - 1``.
        ours: cells of ours that are run.
        together: cells of the yardstick that are run, one process per core.
        alone: cells of the yardstick that are run one at a time, with two workers.
    """

    network: str
    lrs: tuple[str, ...]
    seeds: int
    ours: int
    together: int
    alone: int

    def cells(self) -> list[tuple[str, str, int]]:
        """Return init, learning rate and seed of each cell; those of one seed in a row."""
        return [(init, lr, seed) for seed, init, lr in product(range(self.seeds), INITS, self.lrs)]


GRIDS = (
    Grid("mlp_10x128", ("0.001", "0.003", "0.01", "0.03"), seeds=5, ours=40, together=4, alone=2),
    Grid("wrn_10_1", ("0.01", "0.03", "0.1"), seeds=2, ours=4, together=2, alone=1),
)


def main() -> None:
    parser = arguments("grid", __doc__, rounds=1)
    parser.add_argument("--full", action="store_true", help="run every cell of the yardstick too")
    parser.add_argument("--networks", default=",".join(grid.network for grid in GRIDS))
    options = parser.parse_args()
    section = Section("grid", options)
    cores = len(os.sched_getaffinity(0))
    for grid in (grid for grid in GRIDS if grid.network in options.networks.split(",")):
        number = len(grid.cells())
        counts = {"ours": grid.ours, "together": grid.together, "alone": grid.alone}
        if options.full:
            counts = dict.fromkeys(counts, number)
        if options.quick:
            counts = {"ours": 2, "together": cores, "alone": 1}
        short = ["3", "1", "1"] if options.quick else None
        cells = {name: grid.cells()[:count] for name, count in counts.items()}
        spent: dict[str, list[Spent]] = {name: [] for name in cells}
        for _ in range(options.rounds):  # the yardstick before and after ours
            half = max(cores, counts["together"] // 2)
            before = together(grid, cells["together"][:half], options.data_dir, cores, short)
            spent["alone"].append(alone(grid, cells["alone"], options.data_dir, short))
            spent["ours"].append(ours(grid, cells["ours"], options.data_dir, short))
            after = together(grid, cells["together"][half:], options.data_dir, cores, short)
            spent["together"].append(total([before, after]))
        names = {
            "ours": "ours, pool",
            "together": f"yardstick, {cores} processes at a time",
            "alone": "yardstick, 1 process with 2 workers",
        }
        for key, count in counts.items():
            whole = [Spent(one.cpu * number / count, one.wall * number / count) for one in spent[key]]
            section.add(grid.network, f"grid of {number}", {names[key]: whole}, cells=number, cells_run=count)
    section.write()


def ours(
    grid: Grid, cells: Sequence[tuple[str, str, int]], data_dir: Path, short: Sequence[str] | None
) -> Spent:
    """Run cells in one command; a share of the grid is that of the first seeds, cut by ``max_runs``."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "train.py", "-m", *NETWORKS[grid.network], *RECIPE]
        command = [word for word in command if not word.startswith("lr=")]
        command += [f"init={','.join(INITS)}", f"lr={','.join(grid.lrs)}", f"seed=0-{grid.seeds - 1}"]
        command += ["hydra/launcher=pool", f"sweep.max_runs={len(cells)}"]
        command += [f"paths.data_dir={data_dir.absolute()}", f"paths.output_dir={folder}"]
        for part, batches in zip(("train", "val", "test"), short or (), strict=False):
            command.append(f"trainer.limit_{part}_batches={batches}")
        spent = run(command)
        finished = len(list(Path(folder).glob("runs/*/result.json")))
        if finished != len(cells):
            raise RuntimeError(f"{finished} of {len(cells)} cells have a result")
    return spent


def yardstick(
    network: str,
    cell: tuple[str, str, int],
    data_dir: Path,
    num_workers: int,
    short: Sequence[str] | None,
    accelerator: str = "cpu",
) -> list[str]:
    """Return the command of one run."""
    init, lr, seed = cell
    command = [sys.executable, "-m", "benchmarks.yardstick", "--network", network, "--init", init]
    command += ["--lr", lr, "--seed", str(seed), "--num-workers", str(num_workers), "--num-threads", "1"]
    root = data_dir / "torchvision" if (data_dir / "torchvision").is_dir() else data_dir
    command += ["--accelerator", accelerator, "--data-dir", str(root.absolute())]
    for part, batches in zip(("train", "val", "test"), short or (), strict=False):
        command += [f"--limit-{part}-batches", batches]
    return command


def together(
    grid: Grid,
    cells: Sequence[tuple[str, str, int]],
    data_dir: Path,
    cores: int,
    short: Sequence[str] | None,
) -> Spent:
    """Run cells of the yardstick, one process per core at a time."""
    spent = []
    for batch in batched(cells, cores):
        with tempfile.TemporaryDirectory() as folder:
            commands = [yardstick(grid.network, cell, data_dir, 0, short) for cell in batch]
            spent.append(
                run_together([[*c, "--output-dir", f"{folder}/{i}"] for i, c in enumerate(commands)])
            )
    return total(spent)


def alone(
    grid: Grid, cells: Sequence[tuple[str, str, int]], data_dir: Path, short: Sequence[str] | None
) -> Spent:
    """Run cells of the yardstick one after another, with loader workers."""
    spent = []
    for cell in cells:
        with tempfile.TemporaryDirectory() as folder:
            spent.append(run([*yardstick(grid.network, cell, data_dir, 2, short), "--output-dir", folder]))
    return total(spent)


def batched(cells: Sequence[tuple[str, str, int]], size: int) -> Iterator[Sequence[tuple[str, str, int]]]:
    for start in range(0, len(cells), size):
        yield cells[start : start + size]


def total(spent: Sequence[Spent]) -> Spent:
    return Spent(sum(one.cpu for one in spent), sum(one.wall for one in spent))


if __name__ == "__main__":
    main()
