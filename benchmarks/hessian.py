"""Spectral norm of the Hessian of WRN-10-1: ours against curvlinops with scipy's eigsh, in one process.

    python benchmarks/hessian.py [--samples 512] [--threads 1] [--inits none/pytorch,weight/proposed]

curvlinops is no dependency of the project; without it only our own figures are printed. To compare:
    pip install --target /tmp/curvlinops --no-deps \
        curvlinops-for-pytorch einops einconv linear_operator jaxtyping wadler_lindig
    PYTHONPATH=/tmp/curvlinops python benchmarks/hessian.py
Wall and CPU seconds are both printed: on a busy machine compare the second. The exact value is that of 40
Lanczos products.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from initlab.diagnostic.hessian import Hessian
from initlab.init import initialize
from initlab.model.wrn import Wrn
from initlab.norm.none import NoNorm
from initlab.norm.weight import Weight

try:
    from curvlinops import HessianLinearOperator
    from scipy.sparse.linalg import LinearOperator, eigsh
except ImportError:
    HessianLinearOperator = None

CHUNK = 128
TOLERANCE = 1e-3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--inits", default="none/pytorch,weight/pytorch,weight/proposed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(0)
    batch = (
        torch.randn(options.samples, 3, 32, 32, generator=generator),
        torch.randint(10, (options.samples,), generator=generator),
    )
    print(f"torch {torch.__version__}, {options.threads} thread(s), {options.samples} samples by {CHUNK}")
    for pair in options.inits.split(","):
        norm, init = pair.split("/")
        net = network(norm, init)
        # The first Lanczos steps of a run with a tight tolerance are those of a run with a loose one.
        long = Hessian(tolerance=1e-12, max_products=40, chunk_size=CHUNK)(net, batch, seeded(0))
        exact = long.spectrum.eigenvalues[0]
        enough = 1 + max(
            i
            for i, (value, _) in enumerate([(0.0, 0.0), *long.spectrum.history])
            if abs(value / exact - 1) > TOLERANCE
        )
        print(f"\nWRN-10-1, norm={norm}, init={init}: {exact:.7g}, within 1e-3 after {enough} products")
        report("Hessian()", exact, lambda net=net: ours(net, batch))
        report("Hessian(graph_memory_gib=0)", exact, lambda net=net: ours(net, batch, graph_memory_gib=0.0))
        if HessianLinearOperator is not None:
            report("curvlinops + eigsh", exact, lambda net=net: theirs(net, batch, None))
            report("curvlinops + eigsh, ncv=8", exact, lambda net=net: theirs(net, batch, 8))


def network(norm: str, init: str) -> nn.Module:
    norms = {"none": NoNorm, "weight": Weight}
    net = Wrn(1, input_shape=(3, 32, 32), num_classes=10, norm=norms[norm]())
    if init != "pytorch":  # torch's own init is what a network is built with
        initialize(net, init, generator=seeded(1))
    return net


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def report(name: str, exact: float, measure: Callable[[], tuple[float, int]]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    value, products = measure()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"  {name:28} {value:12.7g}  relative error {abs(value / exact - 1):8.1e}"
        f"  {products:3} products  {wall:6.1f} s wall {cpu:6.1f} s CPU",
        flush=True,
    )


def ours(net: nn.Module, batch: tuple[torch.Tensor, torch.Tensor], **options: float) -> tuple[float, int]:
    found = Hessian(tolerance=TOLERANCE, chunk_size=CHUNK, **options)(net, batch, seeded(0))
    return found.spectrum.eigenvalues[0], found.spectrum.num_products


def theirs(net: nn.Module, batch: tuple[torch.Tensor, torch.Tensor], ncv: int | None) -> tuple[float, int]:
    inputs, labels = batch
    data = list(zip(inputs.split(CHUNK), labels.split(CHUNK), strict=True))
    hessian = HessianLinearOperator(
        net, nn.CrossEntropyLoss(), list(net.parameters()), data, check_deterministic=False
    ).to_scipy()
    calls = 0

    def product(vector: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        return hessian @ vector

    counted = LinearOperator(hessian.shape, matvec=product, dtype=hessian.dtype)
    start = torch.randn(hessian.shape[0], generator=seeded(0), dtype=torch.float64).numpy()
    (value,) = eigsh(
        counted,
        k=1,
        which="LM",
        tol=TOLERANCE,
        ncv=ncv,
        return_eigenvectors=False,
        v0=start.astype(hessian.dtype),
    )
    return float(value), calls


if __name__ == "__main__":
    main()
