"""What a GPU makes of this project: the card itself, steps, populations and grids, within a time.

    python -m benchmarks.gpu [--data-dir data] [--out outputs/bench/gpu.json] [--budget 240] [--parts steps]

card         rates of large matrix products (float32 without TF32, bf16) and of copies
steps        a training step with its loader, batch 128: the yardstick with 0 and 4 workers, ours in float32
             and bf16, plain and as a CUDA graph, and compiled; and the operations of a step
populations  a step of K runs on batches that lie there, batch 128: in sequence, each as a CUDA graph, as a
             population, as a population in one CUDA graph, by hand
grids        whole commands: 20 runs of one epoch with validation and test, by each launcher and as a
             population; of the yardstick two runs one after another and four at a time, multiplied

Contenders take turns (`benchmarks.measuring`). Convolutions in float32 are without TF32, but in the commands
of the yardstick, which leave it as torch does. What fails or finds no time left is told in `failures`. The
file is written after every case, so that a machine that is lent for minutes leaves what it came to.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import initlab  # noqa: F401  (lets a CPU-only torch load torchvision)

# isort: split
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import population
from benchmarks.cases import GPU_RECIPE, NETWORKS, PRECISIONS, RECIPE
from benchmarks.contenders import (
    Batching,
    Sources,
    composed,
    one_thread,
    our_step,
    yardstick_data,
    yardstick_step,
)
from benchmarks.grid import yardstick
from benchmarks.measuring import Contender, Section, Spent, arguments, compare, repeated, run, run_together

PARTS = ("card", "steps", "populations", "grids")
STEPS = ("mlp_10x128", "wrn_16_1", "resnet_56")
POPULATIONS = {"mlp_10x128": "mlp128", "wrn_10_1": "wrn128"}
GRIDS = ("mlp_10x128", "wrn_10_1")
SIZES = (1, 4, 20, 64)
GRAPHED_AT_MOST = 20  # runs in sequence, each with a graph: more take as much longer, and long to record
SEEDS = 20
SECONDS = 0.15  # of a contender's turn, about
# The variants of a step. What is recorded comes after all that is not, since a recording that fails may take
# what follows with it; what is compiled comes last of all.
OURS = {"ours": (), "ours, bf16": (f"trainer.precision={PRECISIONS['bf16']}",)}
RECORDED = {f"{name}, CUDA graph": (*more, "trainer.cuda_graphs=true") for name, more in OURS.items()}
COMPILED = {"ours, compiled": ("trainer.compile=true",)}
COMMANDS = {  # the variants of a grid
    "ours, one after another": ("hydra/launcher=basic",),
    "ours, CUDA graphs": ("hydra/launcher=basic", "trainer.cuda_graphs=true"),
    "ours, 4 at a time, CUDA graphs": (
        "hydra/launcher=pool",
        "hydra.launcher.jobs_per_gpu=4",
        "trainer.cuda_graphs=true",
    ),
    "ours, population": ("hydra/launcher=basic", f"sweep.population={SEEDS}"),
}


def main() -> None:
    parser = arguments("gpu", __doc__, rounds=5)
    parser.add_argument("--budget", type=float, default=240.0, help="seconds; nothing is begun after them")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--networks", default=",".join(NETWORKS), help=f"of {', '.join(NETWORKS)}")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    one_thread()
    Gpu(parser.parse_args()).measure()


class Gpu:
    """The program: its options, what it found, and the time that is left."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.device = options, options.device
        self.end = time.monotonic() + options.budget
        self.rounds = 1 if options.quick else options.rounds
        self.seconds = 0.01 if options.quick else SECONDS
        self.recipe = GPU_RECIPE if self.device == "cuda" else RECIPE
        self.networks = options.networks.split(",")
        torch.backends.cudnn.allow_tf32 = False  # as in a run of this project
        self.section = Section("gpu", options)
        self.section.content |= {"card": {}, "failures": []}
        self.sources = Sources()

    def measure(self) -> None:
        """Measure the parts in their order."""
        for part in self.options.parts.split(","):
            self.attempt(part, getattr(self, part))
        self.section.write()

    def attempt(self, what: str, act: Callable[[], Any]) -> Any:
        """Do something; what goes wrong is written down, and None returned."""
        try:
            if self.left() <= 0:
                raise TimeoutError("no time was left")
            return act()
        except Exception as error:
            told = f"{what}: {type(error).__name__}: {error}"[-1500:]
            self.section.content["failures"].append(told)
            print(told, file=sys.stderr, flush=True)
            return None
        finally:
            self.section.save()

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.end - time.monotonic()

    def settle(self) -> None:
        """Wait for the device."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def card(self) -> None:
        """Name the card and measure its rates."""
        card = self.section.content["card"]
        if self.device == "cuda":
            about = torch.cuda.get_device_properties(0)
            card |= {"name": about.name, "memory_gib": round(about.total_memory / 2**30, 1)}
            card |= {"cuda": torch.version.cuda, "multiprocessors": about.multi_processor_count}
            card["driver"] = self.attempt("driver", driver)
        size = 256 if self.options.quick else 8192
        for name, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16)):
            one, other = (torch.randn(size, size, device=self.device).to(dtype) for _ in range(2))
            seconds = self.attempt(f"{name} product", lambda a=one, b=other: self.timed(lambda: a @ b))
            if seconds:
                card[f"{name}_tflops"] = round(2 * size**3 / seconds / 1e12, 2)
        source = torch.empty(
            (1 if self.options.quick else 2048) * 2**20, dtype=torch.uint8, device=self.device
        )
        target = torch.empty_like(source)
        seconds = self.attempt("copy", lambda: self.timed(lambda: target.copy_(source)))
        if seconds:
            card["copy_gb_per_s"] = round(2 * source.numel() / seconds / 1e9)  # read and written
        print(card, flush=True)

    def timed(self, act: Callable[[], Any], times: int = 10) -> float:
        """Return the median seconds of one call, on a GPU by its own clock."""
        for _ in range(3):
            act()
        taken = []
        for _ in range(times):
            if self.device == "cuda":
                start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                start.record()
                act()
                end.record()
                end.synchronize()
                taken.append(start.elapsed_time(end) / 1e3)
            else:
                clock = time.perf_counter()
                act()
                taken.append(time.perf_counter() - clock)
        return statistics.median(taken)

    def steps(self) -> None:
        """Time training steps with their loaders; the compiled ones after all others."""
        chosen = [name for name in STEPS if name in self.networks]
        for name in chosen:
            self.attempt(f"steps of {name}", lambda name=name: self.steps_of(name))
        for name in chosen:
            if self.left() > 60 and not self.options.quick:
                self.attempt(
                    f"{name} compiled", lambda name=name: self.compare(name, self.ours(name, COMPILED))
                )

    def steps_of(self, name: str) -> None:
        """Compare the ways of a step of one network."""
        flops = self.attempt(f"operations of {name}", lambda: self.flops(name))
        batchings = [
            Batching(yardstick_data(name, self.options.data_dir, n))
            for n in ((0,) if self.options.quick else (0, 4))
        ]
        found = self.ours(name, OURS)
        for batching in batchings:
            variant = f"yardstick, {batching.loader.num_workers} workers"
            step = yardstick_step(name, batching, PRECISIONS["float32"], self.device)
            self.ready(found, f"{name}, {variant}", variant, step, batching.workers)
        if self.device == "cuda":
            found |= self.ours(name, RECORDED)
        self.compare(name, found, flops_per_step=flops, batch_size=128)

    def ours(self, name: str, variants: Mapping[str, Sequence[str]]) -> dict[str, Contender]:
        """Make those of our steps that work."""
        found: dict[str, Contender] = {}
        for variant, more in variants.items():
            if self.left() > 0:
                step = self.attempt(f"{name}, {variant}", lambda more=more: self.our_step(name, more))
                self.ready(found, f"{name}, {variant}", variant, step)
        return found

    def our_step(self, name: str, more: Sequence[str]) -> Callable[[], None]:
        """Make one of our steps."""
        config = composed(name, self.options.data_dir, self.recipe[0], *more)
        return our_step(config, self.sources.of(config), self.device)

    def flops(self, name: str) -> int:
        """Count the operations of matrix products and convolutions of a step, forward and backward."""
        step = self.our_step(name, ())
        with FlopCounterMode(display=False) as counter:
            step()
        return int(counter.get_total_flops())

    def ready(
        self,
        found: dict[str, Contender],
        what: str,
        variant: str,
        step: Callable[[], Any] | None,
        workers: Callable[[], Sequence[int]] = lambda: (),
    ) -> None:
        """Add a step to those that are compared, if it can be taken."""
        if step is None:
            return

        def tried() -> float:
            number = 1 if self.options.quick else 3
            for _ in range(number):
                step()
            self.settle()
            clock = time.perf_counter()
            for _ in range(number):
                step()
            self.settle()
            return (time.perf_counter() - clock) / number

        taken = self.attempt(what, tried)
        if taken is not None:
            times = max(1, min(500, round(self.seconds / taken)))
            found[variant] = repeated(step, times, max(1, times // 10), workers, self.settle)

    def compare(self, case: str, found: Mapping[str, Contender], unit: str = "step", **more: Any) -> None:
        """Let steps take turns, and keep what they took."""
        if found:
            self.section.add(case, unit, compare(found, self.rounds), part="steps", **more)
        gc.collect()  # of models and what they recorded
        if self.device == "cuda":
            torch.cuda.empty_cache()

    def populations(self) -> None:
        """Time a step of K runs, the small numbers first."""
        for size in (1, 4) if self.options.quick else SIZES:
            for name, network in POPULATIONS.items():
                if name in self.networks:
                    self.attempt(
                        f"{size} of {name}", lambda n=name, w=network, k=size: self.population_of(n, w, k)
                    )

    def population_of(self, name: str, network: str, size: int) -> None:
        """Compare the ways of a step of K runs of one network."""
        device = torch.device(self.device)
        ways: dict[str, Callable[[], Callable[[], Any]]] = {
            "sequence": lambda: population.sequence(network, range(size), device),
            "population": lambda: population.population(network, size, device),
        }
        if network.startswith("mlp"):
            ways["by hand"] = lambda: population.by_hand(network, size, device)
        if self.device == "cuda":
            if size <= GRAPHED_AT_MOST:
                ways["sequence, CUDA graphs"] = lambda: population.graphed(network, range(size), device)
            ways["population, CUDA graph"] = lambda: captured(population.population(network, size, device))
        found: dict[str, Contender] = {}
        for way, make in ways.items():
            if self.left() > 0:
                self.ready(
                    found, f"{size} of {name}, {way}", way, self.attempt(f"{size} of {name}, {way}", make)
                )
        spent = compare(found, self.rounds)
        self.section.add(f"{size} of {name}", "step of all", spent, part="populations", size=size)
        if "sequence" in spent:
            ratios = {way: ratio(spent["sequence"], other) for way, other in spent.items()}
            self.section.content.setdefault("times_as_fast", {})[f"{size} of {name}"] = ratios
            print(f"  times as fast as in sequence: {ratios}", flush=True)
        del found, ways
        gc.collect()

    def grids(self) -> None:
        """Time whole commands."""
        for name in GRIDS:
            if name not in self.networks:
                continue
            commands: dict[str, tuple[int, Callable[[], Spent]]] = {
                variant: (SEEDS, lambda name=name, more=more: self.our_grid(name, more))
                for variant, more in reversed(COMMANDS.items())
                if self.device == "cuda" or "trainer.cuda_graphs=true" not in more
            }
            commands["yardstick, 4 processes at a time"] = (4, lambda name=name: self.yardsticks(name, 4, 4))
            commands["yardstick, 1 process at a time"] = (2, lambda name=name: self.yardsticks(name, 2, 1))
            for variant, (count, command) in commands.items():
                spent = self.attempt(f"20 runs of {name}, {variant}", command)
                if spent is not None:
                    whole = Spent(spent.cpu * SEEDS / count, spent.wall * SEEDS / count)
                    self.section.add(
                        name,
                        f"grid of {SEEDS}",
                        {variant: [whole]},
                        part="grids",
                        cells=SEEDS,
                        cells_run=count,
                    )

    def our_grid(self, name: str, more: Sequence[str]) -> Spent:
        """Run 20 seeds of one network in one command."""
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "train.py", "-m", *NETWORKS[name], *self.recipe, *more]
            command += [f"seed=0-{SEEDS - 1}", f"paths.data_dir={self.options.data_dir.absolute()}"]
            command.append(f"paths.output_dir={folder}")
            for part, batches in zip(("train", "val", "test"), self.short(), strict=False):
                command.append(f"trainer.limit_{part}_batches={batches}")
            spent = run(command, timeout=self.left())
            finished = len(list(Path(folder).glob("runs/*/result.json")))
            if finished != SEEDS:
                raise RuntimeError(f"{finished} of {SEEDS} runs have a result")
        return spent

    def yardsticks(self, name: str, count: int, at_a_time: int) -> Spent:
        """Run some seeds of the yardstick, a process for each."""
        spent = []
        accelerator = "gpu" if self.device == "cuda" else "cpu"
        for start in range(0, count, at_a_time):
            with tempfile.TemporaryDirectory() as folder:
                commands = [
                    [
                        *yardstick(
                            name,
                            ("proposed", "0.01", seed),
                            self.options.data_dir,
                            0,
                            self.short() or None,
                            accelerator,
                        ),
                        "--output-dir",
                        f"{folder}/{seed}",
                    ]
                    for seed in range(start, start + at_a_time)
                ]
                spent.append(run_together(commands, timeout=self.left()))
        return Spent(sum(one.cpu for one in spent), sum(one.wall for one in spent))

    def short(self) -> Sequence[str]:
        """Return the batches of the parts of a run that are taken; none for all."""
        return ("3", "1", "1") if self.options.quick else ()


def captured(step: Callable[[], Any]) -> Callable[[], None]:
    """Record a step, which writes to the same places each time, as a CUDA graph."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        step()

    def replay(keep: object = step) -> None:  # the step holds the memory that the graph reads
        graph.replay()

    return replay


def ratio(sequence: Sequence[Spent], other: Sequence[Spent]) -> float:
    """Return how many times as fast the other is: the median over the rounds."""
    return round(statistics.median(a.wall / b.wall for a, b in zip(sequence, other, strict=True)), 3)


def driver() -> str:
    """Return the version of the driver."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()


if __name__ == "__main__":
    main()
