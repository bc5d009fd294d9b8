"""Seconds of a training step of K runs: one after another, in two processes, as a population, by hand.

    python benchmarks/population.py [--out population.json] [--networks mlp32 wrn] [--sizes 1 4 16 64]

A step is forward, backward and SGD with momentum of all K on batches that lie there already. "sequence" is K
plain steps in this process, "processes" half of them in each of two processes of one thread, "population"
`initlab.population` (vmap), "by hand" the same MLP in `baddbmm` with one weight norm for all hidden layers of
all runs, written for this comparison. The ways take turns, round by round, and a ratio is the
median of the ratios within a round, so that a machine that is busy slows all of them.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from initlab.init import initialize
from initlab.model.cnn import Cnn
from initlab.model.mlp import Mlp
from initlab.model.wrn import Wrn
from initlab.norm.base import Norm
from initlab.norm.batch import Batch
from initlab.norm.weight import Weight
from initlab.population.sgd import SgdOptions, StackedSgd
from initlab.population.stack import Stack
from initlab.training.gradient_graph import GradientGraph

OPTIONS = SgdOptions(0.01, 0.9, 5e-4)
DIGIT, IMAGE = (1, 28, 28), (3, 32, 32)
Step = Callable[[], object]

NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "mlp32": (lambda: Mlp(10, 32, DIGIT, 10, Weight()), DIGIT, 32),
    "mlp32 batch norm": (lambda: Mlp(10, 32, DIGIT, 10, Batch()), DIGIT, 32),
    "mlp128": (lambda: Mlp(10, 128, DIGIT, 10, Weight()), DIGIT, 128),
    "cnn": (lambda: Cnn(4, 16, input_shape=IMAGE, num_classes=10, norm=Weight()), IMAGE, 32),
    "wrn": (lambda: wrn(Weight()), IMAGE, 32),
    "wrn batch norm": (lambda: wrn(Batch()), IMAGE, 32),
    "wrn128": (lambda: wrn(Weight()), IMAGE, 128),
}


def wrn(norm: Norm) -> nn.Module:
    return Wrn(1, 1, input_shape=IMAGE, num_classes=10, norm=norm)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each way in a round, about")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    print(f"torch {torch.__version__}, {name or device}, one thread; times as fast as in sequence")
    print(f"{'network':18}{'K':>4}{'sequence, ms':>14}{'processes':>11}{'population':>12}{'by hand':>9}")
    rows = []
    for network in options.networks:
        for size in options.sizes:
            row = measured(network, size, options.rounds, options.seconds, device)
            rows.append(row)
            shown = "".join(
                f"{row['times_as_fast'][way]:>{width}.2f}"
                if way in row["times_as_fast"]
                else f"{'':>{width}}"
                for way, width in (("processes", 11), ("population", 12), ("by hand", 9))
            )
            print(f"{network:18}{size:>4}{1000 * row['seconds']['sequence']:>14.2f}{shown}", flush=True)
            if options.out:  # after each, since the last take longest
                about = {"torch": torch.__version__, "device": name or str(device), "rounds": options.rounds}
                options.out.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")


def measured(network: str, size: int, rounds: int, seconds: float, device: torch.device) -> dict[str, Any]:
    ways: dict[str, Step] = {
        "sequence": sequence(network, range(size), device),
        "population": population(network, size, device),
    }
    if network in ("mlp32", "mlp128"):
        ways["by hand"] = by_hand(network, size, device)
    taken: dict[str, list[float]] = {way: [] for way in ways}
    numbers = {way: max(1, int(seconds / timed(step, 2, device))) for way, step in ways.items()}
    with Pair(network, size, device) as pair:
        for _ in range(rounds):
            for way, step in ways.items():
                taken[way].append(timed(step, numbers[way], device))
            if size > 1:
                taken.setdefault("processes", []).append(pair.timed(numbers["sequence"]))
    ratios = {
        way: statistics.median(one / other for one, other in zip(taken["sequence"], values, strict=True))
        for way, values in taken.items()
    }
    return {
        "network": network,
        "size": size,
        "seconds": {way: statistics.median(values) for way, values in taken.items()},
        "spread": {way: [min(values), max(values)] for way, values in taken.items()},
        "times_as_fast": ratios,
    }


def timed(step: Step, number: int, device: torch.device) -> float:
    """Return the seconds of one step."""
    step()
    wait(device)
    clock = time.perf_counter()
    for _ in range(number):
        step()
    wait(device)
    return (time.perf_counter() - clock) / number


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def models_of(network: str, seeds: Sequence[int]) -> list[nn.Module]:
    models = []
    for seed in seeds:
        model = NETWORKS[network][0]()
        initialize(model, "he", torch.Generator().manual_seed(seed))
        models.append(model)
    return models


def batches(network: str, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    _, shape, batch_size = NETWORKS[network]
    rng = torch.Generator().manual_seed(0)
    inputs = torch.randn(size, batch_size, *shape, generator=rng)
    return inputs.to(device), torch.randint(10, (size, batch_size), generator=rng).to(device)


def graphed(network: str, seeds: Sequence[int], device: torch.device) -> Step:
    """Do what `sequence` does, forward and backward pass as a CUDA graph for each run."""
    models = [model.to(device) for model in models_of(network, seeds)]
    optimizers = [torch.optim.SGD(model.parameters(), **vars(OPTIONS), fused=True) for model in models]
    inputs, labels = batches(network, len(models), device)
    graphs = [
        GradientGraph(model, partial(evaluate, model), own, label)
        for model, own, label in zip(models, inputs, labels, strict=True)
    ]

    def step() -> None:
        for graph, optimizer, own, label in zip(graphs, optimizers, inputs, labels, strict=True):
            graph(own, label)
            optimizer.step()

    return step


def evaluate(model: nn.Module, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    logits = model(inputs)
    return cross_entropy(logits, labels), logits


def sequence(network: str, seeds: Sequence[int], device: torch.device) -> Step:
    models = [model.to(device) for model in models_of(network, seeds)]
    optimizers = [torch.optim.SGD(model.parameters(), **vars(OPTIONS), fused=True) for model in models]
    inputs, labels = batches(network, len(models), device)

    def step() -> None:
        for model, optimizer, own, label in zip(models, optimizers, inputs, labels, strict=True):
            optimizer.zero_grad()
            cross_entropy(model(own), label).backward()
            optimizer.step()

    return step


def population(network: str, size: int, device: torch.device) -> Step:
    stack = Stack(models_of(network, range(size)), device)
    sgd = StackedSgd(stack.parameters, [OPTIONS] * size)
    rates = torch.full((size,), OPTIONS.lr, device=device)
    inputs, labels = batches(network, size, device)

    def step() -> None:
        _, _, gradients = stack.gradients(inputs, labels)
        sgd.step(gradients, rates)

    return step


def by_hand(network: str, size: int, device: torch.device) -> Step:
    width = int(network.removeprefix("mlp"))
    inputs, labels = batches(network, size, device)
    rng = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(size, *shape, generator=rng).div(shape[-1] ** 0.5).to(device).requires_grad_()

    first, hidden, head = drawn(width, inputs[0, 0].numel()), drawn(9 * width, width), drawn(10, width)
    gains, biases = drawn(10 * width, 1), drawn(10 * width, 1)
    head_bias = drawn(10, 1)
    leaves = [first, hidden, head, gains, biases, head_bias]
    optimizer = torch.optim.SGD(leaves, **vars(OPTIONS), fused=True)

    def normalized(v: Tensor, g: Tensor) -> Tensor:
        return v * (g / torch.linalg.vector_norm(v, dim=-1, keepdim=True))

    def step() -> None:
        optimizer.zero_grad()
        entry = normalized(first, gains[:, :width])
        weights = [entry, *normalized(hidden, gains[:, width:]).split(width, 1)]
        signal = inputs.flatten(2)
        for weight, bias in zip(weights, biases.split(width, 1), strict=True):
            signal = torch.baddbmm(bias.mT, signal, weight.mT).relu()
        logits = torch.baddbmm(head_bias.mT, signal, head.mT)
        (cross_entropy(logits.flatten(0, 1), labels.flatten()) * size).backward()
        optimizer.step()

    return step


class Pair:
    """Two processes that carry out half of the runs each, one after another."""

    def __init__(self, network: str, size: int, device: torch.device) -> None:
        context = get_context("spawn")
        self.pipes = []
        self.processes = []
        for half in (range(0, size, 2), range(1, size, 2)) if size > 1 else ():
            near, far = context.Pipe()
            process = context.Process(
                target=worker, args=(network, list(half), str(device), far), daemon=True
            )
            process.start()
            self.pipes.append(near)
            self.processes.append(process)

    def __enter__(self) -> Pair:
        for pipe in self.pipes:
            pipe.recv()
        return self

    def __exit__(self, *error: object) -> None:
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join()

    def timed(self, number: int) -> float:
        """Return the seconds of one step of all runs."""
        clock = time.perf_counter()
        for pipe in self.pipes:
            pipe.send(number)
        for pipe in self.pipes:
            pipe.recv()
        return (time.perf_counter() - clock) / number


def worker(network: str, seeds: list[int], device: str, pipe: Any) -> None:
    torch.set_num_threads(1)
    step = sequence(network, seeds, torch.device(device))
    step()
    pipe.send("ready")
    while (number := pipe.recv()) is not None:
        for _ in range(number):
            step()
        wait(torch.device(device))
        pipe.send("done")


if __name__ == "__main__":
    main()
