"""Seconds to build and to initialize deep networks, and what share of it is linear algebra.

    python benchmarks/initialization.py [--threads 1] [--step]

"plain" builds the network with torch's own draws, "undrawn" without them, as a run does. Linear algebra is
the time inside ``torch.linalg`` (the QR decompositions behind orthogonal matrices) and in matrix products.
All seconds are CPU seconds, since the machine may be busy. ``--step`` also runs a forward and backward pass
of 2 images of 3x32x32 through the deepest network, and prints the most memory that the process has held.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.overrides import TorchFunctionMode

from initlab.init import initialize
from initlab.model.construction import build_undrawn
from initlab.model.resnet_b import ResnetB
from initlab.model.resnet_c import ResnetC
from initlab.model.timm import Timm
from initlab.model.wrn import Wrn
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight

ALGEBRA = frozenset([torch.linalg.qr, torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.mm])
IMAGES = {"input_shape": (3, 32, 32), "num_classes": 10}


def wrn(num_blocks: int) -> nn.Module:
    return Wrn(num_blocks, 1, 16, 2, "zeros", norm=Weight(), **IMAGES)


CASES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "ResNet-50 (B), risotto": (lambda: ResnetB(50, norm=NoNorm(), **IMAGES), "risotto"),
    "ResNet-50 (C), risotto": (lambda: ResnetC(50, norm=NoNorm(), **IMAGES), "risotto"),
    "timm resnet50, he": (lambda: Timm("resnet50", norm=NoNorm(), **IMAGES), "he"),
    "WRN, 1,000 layers, proposed": (lambda: wrn(166), "proposed"),
    "WRN, 10,000 layers, proposed": (lambda: wrn(1666), "proposed"),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--step", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")  # strides make RISOTTO's isometry partial, which is no news here
    print(f"torch {torch.__version__}, {options.threads} thread(s), CPU seconds")
    print(f"{'':30}{'plain':>8}{'undrawn':>9}{'init':>8}{'build + init':>14}{'linear algebra':>16}")
    for name, (build, init) in CASES.items():
        _, plain = timed(build)
        model, undrawn = timed(partial(build_undrawn, build))
        with Stopwatch() as algebra:
            _, spent = timed(partial(initialize, model, init, torch.Generator().manual_seed(0)))
        total = undrawn + spent
        share = f"{algebra.seconds / total:.0%}"
        print(f"{name:30}{plain:8.2f}{undrawn:9.2f}{spent:8.2f}{total:14.2f}{share:>16}", flush=True)
    if options.step:
        inputs = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        _, spent = timed(lambda: cross_entropy(model(inputs), torch.tensor([0, 1])).backward())
        finite = all(bool(torch.isfinite(p.grad).all()) for p in model.parameters())
        print(f"forward and backward of {name}: {spent:.1f} s, gradients finite: {finite}")
    unit = 2**30 if sys.platform == "darwin" else 2**20
    print(f"most memory held: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit:.1f} GiB")


def timed(act: Callable[[], Any]) -> tuple[Any, float]:
    clock = time.process_time()
    result = act()
    return result, time.process_time() - clock


class Stopwatch(TorchFunctionMode):
    """Adds up the CPU seconds inside linear algebra."""

    seconds = 0.0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call the function."""
        if func not in ALGEBRA:
            return func(*args, **(kwargs or {}))
        result, spent = timed(lambda: func(*args, **(kwargs or {})))
        self.seconds += spent
        return result


if __name__ == "__main__":
    main()
