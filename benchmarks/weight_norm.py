"""Forward and backward of one weight-normalized weight in three ways: the table of ``docs/adr/0004``.

    OMP_NUM_THREADS=1 python -m benchmarks.weight_norm

CPU time in microseconds, medians over rounds in which the three take turns; one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from initlab.norm.row_norm import composed, normalize_rows, row_norm

SHAPES = [(16, 16, 3, 3), (64, 64), (128, 128), (64, 64, 3, 3), (512, 512), (512, 512, 3, 3)]
ROUNDS, SECONDS = 25, 0.02  # turns of each, and how long about a turn is


def kernel(g: Tensor, v: Tensor) -> Tensor:
    return torch._weight_norm(v, g, 0)


WAYS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "plain operations": composed,
    "`normalize_rows`": normalize_rows,
    "torch's kernel alone": kernel,
}


def spent(way: Callable[[Tensor, Tensor], Tensor], g: Tensor, v: Tensor, repetitions: int) -> float:
    """Microseconds of CPU time of one forward and backward."""
    cotangent = torch.ones_like(v)
    start = time.process_time()
    for _ in range(repetitions):
        torch.autograd.grad(way(g, v), (g, v), cotangent)
    return (time.process_time() - start) / repetitions * 1e6


def main() -> None:
    torch.set_num_threads(1)
    print(f"| weight | {' | '.join(WAYS)} |\n| :--- |{' ---: |' * len(WAYS)}")
    for shape in SHAPES:
        v = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
        g = row_norm(v).detach().requires_grad_()
        first = {name: spent(way, g, v, 3) for name, way in WAYS.items()}
        repetitions = max(1, round(SECONDS * 1e6 / max(first.values())))
        rounds = [{name: spent(way, g, v, repetitions) for name, way in WAYS.items()} for _ in range(ROUNDS)]
        medians = (f"{median(turn[name] for turn in rounds):,.0f}" for name in WAYS)
        print(f"| {' x '.join(map(str, shape))} | {' | '.join(medians)} |", flush=True)


if __name__ == "__main__":
    main()
