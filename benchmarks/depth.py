"""How time and memory of a training step grow with depth, from 10 to 10,000 layers, per layer.

    python -m benchmarks.depth [--out outputs/bench/depth.json]

Random inputs, weight norm, the proposed init, SGD. Each depth has a process of its own, whose resident set
before the network is built is taken off the most that it held. The first step is not timed: it allocates.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

from benchmarks.measuring import ROOT, Section, Spent, arguments

# Depths and inputs per batch.
CASES: dict[str, tuple[tuple[int, ...], int]] = {
    "mlp": ((10, 100, 1000, 10_000), 128),
    "wrn": ((10, 100, 1000, 10_000), 2),
}


def main() -> None:
    parser = arguments("depth", __doc__, rounds=3)
    parser.add_argument("--one", metavar="NETWORK:DEPTH", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        network, _, depth = options.one.partition(":")
        print(json.dumps(one(network, int(depth), CASES[network][1], options.rounds)))
        return
    section = Section("depth", options)
    for network, (depths, batch_size) in CASES.items():
        for depth in depths[:1] if options.quick else depths:
            rounds = 1 if options.quick else options.rounds
            command = [sys.executable, "-m", "benchmarks.depth", "--one", f"{network}:{depth}"]
            told = subprocess.run(
                [*command, "--rounds", str(rounds)], cwd=ROOT, capture_output=True, text=True, check=True
            )
            found = json.loads(told.stdout)
            layers = found["layers"]
            steps = [Spent(cpu / layers, wall / layers) for cpu, wall in found["steps"]]
            more = {"layers": layers, "batch_size": batch_size, "build_s": found["build_s"]}
            more["bytes_per_layer"] = round(found["bytes"] / layers)
            section.add(f"{network} {depth}", "layer", {"ours": steps}, **more)
            kib = more["bytes_per_layer"] / 1024
            print(f"{'':22} {kib:.0f} KiB per layer, built and initialized in {found['build_s']:.2f} s CPU")
    section.write()


def one(network: str, depth: int, batch_size: int, rounds: int) -> dict[str, object]:
    """Build, initialize and train one network; return seconds and bytes."""
    import torch
    from torch.nn import functional as F

    from benchmarks.contenders import one_thread
    from initlab.init import initialize
    from initlab.model.construction import build_undrawn
    from initlab.model.mlp import Mlp
    from initlab.model.wrn import Wrn
    from initlab.norm.weight import Weight

    one_thread()
    rng = torch.Generator().manual_seed(0)
    shape = (1, 8, 8) if network == "mlp" else (3, 32, 32)
    inputs = torch.randn(batch_size, *shape, generator=rng)
    labels = torch.randint(10, (batch_size,), generator=rng)
    F.cross_entropy(torch.nn.Linear(8, 10)(inputs.flatten(1)[:, :8]), labels).backward()  # loads what is lazy
    before = resident_bytes()
    cpu = time.process_time()
    given = {"input_shape": shape, "num_classes": 10, "norm": Weight()}
    if network == "mlp":
        model: torch.nn.Module = build_undrawn(lambda: Mlp(depth, 64, **given))
        layers = depth + 1
    else:
        model = build_undrawn(lambda: Wrn((depth - 4) // 6, **given))
        layers = 6 * ((depth - 4) // 6) + 4
    initialize(model, "proposed", generator=rng)
    build_s = time.process_time() - cpu
    optimizer = torch.optim.SGD(model.parameters(), 1e-4, momentum=0.9, weight_decay=5e-4, fused=True)
    steps = []
    for _ in range(1 + rounds):
        cpu, wall = time.process_time(), time.perf_counter()
        loss = F.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps.append((time.process_time() - cpu, time.perf_counter() - wall))
        del loss
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"layers": layers, "steps": steps[1:], "bytes": peak - before, "build_s": round(build_s, 3)}


def resident_bytes() -> int:
    """Return the memory that this process holds now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main()
