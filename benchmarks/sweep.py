"""What a sweep costs beside its runs (planning, processes, logging, results), and how many results are read.

    python benchmarks/sweep.py [plan store pool overhead] [--out FILE.json] [--rounds 3] [--cells 14560] ...

overhead  the same 1-step runs by this project's launchers, by stock Hydra's basic and joblib launchers, and
          by a bare loop that calls the training function; interleaved: seconds of one more cell, ratios
pool      a sweep of many cells that do nothing, through the warm pool
store     listing and tabulating many results
plan      planning a large grid: `sweep.dry_run=true`, with the question whether inits fit their networks

Joblib's launcher is no dependency of the project; without it its column is left out. To compare:
    pip install --no-deps --target /tmp/joblib hydra-joblib-launcher
    PYTHONPATH=/tmp/joblib python benchmarks/sweep.py overhead
Wall and CPU seconds are both given: on a busy machine compare the second, and the ratios of one round.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib.metadata
import importlib.util
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from initlab.results.record import RunResult
from initlab.results.store import Store
from initlab.sweep.compose import Composer, config_loader, named
from initlab.sweep.plan import plan

ROOT = Path(__file__).resolve().parents[1]
TRAIN = [sys.executable, str(ROOT / "train.py"), "-m"]
STEP = ["model=mlp", "model.depth=2", "model.width=16", "norm=none", "init=he", "data=synthetic"]
STEP += ["data.shape=[8]", "epochs=1", "batch_size=32", "trainer.accelerator=cpu", "trainer.num_threads=1"]
STEP += [f"trainer.limit_{part}_batches=1" for part in ("train", "val", "test")]
# Another experiment than the third paper's, of the number of its runs.
GRID = ["norm=weight", "init=pytorch,he,hanin,proposed,data_dependent", "model.num_blocks=1,2,4,6"]
GRID += ["lr=0.0001,0.0003,0.001,0.002,0.003,0.005,0.01,0.02,0.03,0.05,0.1,0.2,0.3", "warmup_epochs=0,2"]
Cost = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)}; all if none"
    )
    parser.add_argument("--out", type=Path, help="write all numbers as JSON")
    parser.add_argument("--rounds", type=int, default=3, help="of overhead")
    parser.add_argument("--steps", type=int, default=16, help="cells more in the larger sweep of overhead")
    parser.add_argument("--runs", type=int, default=1000, help="cells of pool")
    parser.add_argument("--results", type=int, default=20_000, help="of store")
    parser.add_argument("--cells", type=int, default=14_560, help="of plan, a multiple of 520")
    options = parser.parse_args()
    for wrong in set(options.sections) - set(SECTIONS):
        parser.error(f"there is no section {wrong}: can be {', '.join(SECTIONS)}")
    count_orphans()
    chosen = options.sections or list(SECTIONS)
    found: dict[str, Any] = {"machine": machine()}
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            lines, found[name] = SECTIONS[name](options, Path(folder))
        print(f"\n### {name}\n\n{table(lines)}", flush=True)
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


def overhead(options: argparse.Namespace, folder: Path) -> tuple[list[list[str]], Any]:
    """Time sweeps of 1-step runs, small and larger, by each launcher; the difference is what cells cost."""
    small, large = 2, 2 + options.steps
    stock = [sys.executable, __file__, "--stock", "-m", *STEP, "hydra/sweeper=basic"]
    stock += ["hydra/job_logging=default", "hydra/hydra_logging=default", "hydra.output_subdir=.hydra"]
    basic = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
    arms: dict[str, list[str]] = {
        "bare loop": [sys.executable, __file__, "--bare", *STEP],
        "initlab basic": [*TRAIN, *STEP, "hydra/launcher=basic"],
        "initlab pool": [*TRAIN, *STEP, "hydra/launcher=pool", "hydra.launcher.num_workers=2"],
        "Hydra basic": [*stock, "hydra/launcher=basic", f"hydra.launcher._target_={basic}"],
    }
    if importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher") is not None:
        arms["Hydra joblib"] = [*stock, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    else:
        print("hydra-joblib-launcher is not installed: its column is left out (see --help)", file=sys.stderr)
    rounds: list[dict[str, dict[str, Cost]]] = []
    for number in range(options.rounds):
        times: dict[str, dict[str, Cost]] = {}
        for size, count in (("small", small), ("large", large)):
            for name, command in arms.items():
                place = folder / f"{number}-{size}-{name.replace(' ', '-')}"
                words = [f"seed=range(0,{count})", f"paths.output_dir={place}/outputs"]
                if name.startswith("Hydra"):
                    words += [f"hydra.sweep.dir={place}", "hydra.sweep.subdir=${hydra.job.num}"]
                times.setdefault(name, {})[size] = run([*command, *words], count, place)
                shutil.rmtree(place, ignore_errors=True)
        rounds.append({name: cell_of(pair, options.steps) for name, pair in times.items()})
    lines = [["", "start (s)", "one more cell: wall (s)", "CPU (s)", "CPU, in bare loops"]]
    for name in arms:
        row = [name, f"{median(rounds, name, 'start'):.2f}", f"{median(rounds, name, 'wall'):.3f}"]
        ratios = [each[name]["cpu"] / each["bare loop"]["cpu"] for each in rounds]
        row += [f"{median(rounds, name, 'cpu'):.3f}"]
        lines.append([*row, f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"])
    return lines, {"cells": [small, large], "rounds": rounds}


def cell_of(times: Mapping[str, Cost], more: int) -> Cost:
    """Return what one more cell takes, and the CPU seconds of the sweep without its cells."""
    small, large = times["small"], times["large"]
    cpu = (large["cpu"] - small["cpu"]) / more
    return {"wall": (large["wall"] - small["wall"]) / more, "cpu": cpu, "start": small["cpu"] - 2 * cpu}


def median(rounds: Sequence[Mapping[str, Cost]], name: str, key: str) -> float:
    return statistics.median(each[name][key] for each in rounds)


def pool(options: argparse.Namespace, folder: Path) -> tuple[list[list[str]], Any]:
    """Run cells that do nothing, by a whole command: planning, two workers, locks, results, the table."""
    words = [
        "task._target_=sweep.nothing",
        f"seed=range(0,{options.runs})",
        f"paths.output_dir={folder}/outputs",
    ]
    command = [
        *TRAIN,
        *words,
        "hydra/launcher=pool",
        "hydra.launcher.num_workers=2",
        "hydra.launcher.warm=true",
    ]
    cost = run(command, options.runs, folder)
    again = run(command, options.runs, folder)
    lines = [["", "cells", "wall (s)", "a cell (s)", "CPU (s)", "a cell (s)"]]
    for name, found in (("run", cost), ("once more, all there", again)):
        row = [name, str(options.runs), f"{found['wall']:.1f}", f"{found['wall'] / options.runs:.3f}"]
        lines.append([*row, f"{found['cpu']:.1f}", f"{found['cpu'] / options.runs:.3f}"])
    return lines, {"cells": options.runs, "first": cost, "again": again}


def store(options: argparse.Namespace, folder: Path) -> tuple[list[list[str]], Any]:
    """List, count and tabulate results that were written beforehand, by whole commands."""
    write_results(folder, options.results)
    tabulate = (
        "import sys; from initlab.results.store import Store; from initlab.report.comparison import compare;"
        "from initlab.report.sweep_report import SweepReport; from initlab.report.table import terminal;"
        "from initlab.cli.console import print_; from rich.console import Group;"
        "print_(Group(*terminal(SweepReport(compare(Store(sys.argv[1]), 'grid')).tables)))"
    )
    commands = {
        "list": [sys.executable, "-m", "initlab", "list", "-o", str(folder)],
        "status": [sys.executable, "-m", "initlab", "status", "-o", str(folder)],
        "table": [sys.executable, "-c", tabulate, str(folder)],
    }
    lines, found = [["", "results", "wall (s)", "CPU (s)", "memory (MiB)"]], {}
    for name, command in commands.items():
        cost = found[name] = measured(command)
        row = [name, str(options.results), f"{cost['wall']:.1f}", f"{cost['cpu']:.1f}", f"{cost['mib']:.0f}"]
        lines.append(row)
    return lines, {"results": options.results, **found}


def write_results(folder: Path, count: int) -> None:
    """Write results as runs leave them, but without waiting for the disk."""
    with config_loader() as loader:
        words = [f"paths.output_dir={folder}", "lr=0.1,0.01", "init=proposed,he", "seed=0"]
        configs = [cell.config for cell in plan(Composer(loader), words).cells]
    cells = []
    for number in range(count):
        config = {**configs[number % 4], "seed": number // 4}
        run_id = f"{number:012x}"
        accuracy = (number * 7919 % 1000) / 1000
        names = [f"{part}/{name}" for part in ("train", "val", "test") for name in ("loss", "acc")]
        result = RunResult(
            run_id=run_id,
            status="ok",
            config=config,
            seed=config["seed"],
            metrics={**dict.fromkeys(names, accuracy), "best/val_acc": accuracy, "best/epoch": 3, "epoch": 9},
            versions={f"package{index}": "1.2.3" for index in range(12)},
            git={"commit": "0" * 40, "dirty": False, "diff": None},
            device="cpu",
            wall_s=1.0,
            started="2026-01-01T00:00:00+00:00",
        )
        path = Store(folder).folder(run_id).result_path
        path.parent.mkdir(parents=True)
        path.write_text(result.to_json())
        overrides = {"init": config["init"]["name"], "lr": config["lr"], "seed": config["seed"]}
        cells.append({"run_id": run_id, "overrides": overrides})
    Store(folder).write_sweep("grid", {"cells": cells})


def plan_(options: argparse.Namespace, folder: Path) -> tuple[list[list[str]], Any]:
    """Plan a grid by `sweep.dry_run=true`."""
    words = [*GRID, f"seed=range(0,{options.cells // 520})", "sweep.dry_run=true"]
    cost = measured([*TRAIN, *words, f"paths.output_dir={folder}/outputs"])
    lines = [["cells", "wall (s)", "CPU (s)", "a cell (ms)", "memory (MiB)"]]
    row = [f"{cost['wall']:.1f}", f"{cost['cpu']:.1f}", f"{1000 * cost['cpu'] / options.cells:.1f}"]
    return [*lines, [str(options.cells), *row, f"{cost['mib']:.0f}"]], {"cells": options.cells, **cost}


SECTIONS: dict[str, Callable[..., tuple[list[list[str]], Any]]] = {
    "plan": plan_,
    "store": store,
    "pool": pool,
    "overhead": overhead,
}


def run(command: Sequence[str], cells: int, folder: Path) -> Cost:
    """Time a sweep, and see that it left a result for each of its cells."""
    cost = measured(command)
    marks = len([*folder.glob("**/result.json"), *folder.glob("**/stock.json")])
    if marks != cells:
        raise SystemExit(f"{' '.join(command)} left {marks} results of {cells}")
    return cost


def measured(command: Sequence[str]) -> Cost:
    """Run a command and all it starts to their end; return wall and CPU seconds and the largest memory."""
    paths = [str(Path(__file__).parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=variables, stdout=log, stderr=subprocess.STDOUT)
        _, status, own = os.wait4(process.pid, 0)
        wall = time.perf_counter() - clock
        with contextlib.suppress(ChildProcessError):
            while os.wait():  # what it left behind
                pass
        if status:
            log.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{log.read().decode()[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": cpu, "mib": own.ru_maxrss / 1024}


def count_orphans() -> None:
    """Become the parent of processes whose parent ends (Linux), so that their time is counted here."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def machine() -> dict[str, Any]:
    """Say what the numbers were measured on."""
    names = ("torch", "lightning", "hydra-core", "hydra-joblib-launcher", "initlab")
    versions = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    load = os.getloadavg()[0]
    return {"cores": os.cpu_count(), "python": platform.python_version(), "load": load, "versions": versions}


def table(lines: Sequence[Sequence[str]]) -> str:
    """Write Markdown."""
    rule = [":---", *["---:"] * (len(lines[0]) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def nothing(config: Mapping[str, Any], folder: Any) -> Any:
    """A task that does nothing, for the workers of ``pool``."""
    from initlab.task.run import Outcome

    return Outcome(metrics={"value": config["seed"]})


def one(config: Mapping[str, Any], number: int) -> None:
    """Carry out one run as a person would who has no sweeper: train, write the numbers."""
    from initlab.results.run_folder import RunFolder
    from initlab.task.fit import fit

    folder = RunFolder(config["paths"]["output_dir"], f"{number:012x}")
    folder.path.mkdir(parents=True, exist_ok=True)
    outcome = fit(config, folder)
    (folder.path / "stock.json").write_text(json.dumps(outcome.metrics))


def stock() -> None:
    """Be a program on stock Hydra, with the project's configurations."""
    import hydra
    from hydra.core.hydra_config import HydraConfig

    @hydra.main(version_base="1.3", config_path=str(ROOT / "configs"), config_name="train")
    def job(config: Any) -> None:
        chosen = HydraConfig.get()
        one(named(config, dict(chosen.runtime.choices)), int(chosen.job.num))

    sys.argv.remove("--stock")
    job()


def bare() -> None:
    """Call the training function in a loop, on configurations composed once."""
    words = [word for word in sys.argv[1:] if word != "--bare" and not word.startswith("seed=")]
    count = int(next(word for word in sys.argv if word.startswith("seed=")).split(",")[1].rstrip(")"))
    with config_loader() as loader:
        config = Composer(loader).compose(words)
    for seed in range(count):
        one({**config, "seed": seed}, seed)


if __name__ == "__main__":
    if "--stock" in sys.argv:
        stock()
    elif "--bare" in sys.argv:
        bare()
    else:
        main()
