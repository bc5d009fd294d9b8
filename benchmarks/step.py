"""Time of one training step with its loader, batch 128, one thread: ours, the yardstick, and the floor.

    python -m benchmarks.step [--data-dir data] [--out outputs/bench/step.json] [--networks mlp_10x128]

A bare loop around each: batch, forward, loss, backward, SGD with momentum and weight decay. Ours keeps its
metrics, the yardstick has none here. The floor is ours without weight norm. bf16 is torch's autocast, as
the Trainer's ``bf16-mixed``; on a processor without instructions for it, where a step takes ten times that
of float32, it is timed less often and without the floor and the workers.
"""

from __future__ import annotations

from benchmarks.cases import CONVOLUTIONAL, NETWORKS, PRECISIONS
from benchmarks.contenders import (
    Batching,
    Sources,
    composed,
    one_thread,
    our_step,
    yardstick_data,
    yardstick_step,
)
from benchmarks.measuring import Section, arguments, compare, repeated

NAMES = ("mlp_10x128", "mlp_10x512", "wrn_16_1", "resnet_56")
# Steps that are timed in a row, after some that are not: queues of loaders are then as in mid-epoch.
STEPS = {"mlp_10x128": (20, 6), "mlp_10x512": (12, 6), "wrn_16_1": (3, 1), "resnet_56": (2, 1)}


def main() -> None:
    parser = arguments("step", __doc__, rounds=7)
    parser.add_argument("--networks", default=",".join(NAMES), help=f"of {', '.join(NETWORKS)}")
    parser.add_argument("--precisions", default=",".join(PRECISIONS), help=f"of {', '.join(PRECISIONS)}")
    options = parser.parse_args()
    one_thread()
    section, sources = Section("step", options), Sources()
    emulated = not {"avx512_bf16", "amx_bf16"} & set(section.content["machine"]["flags"])
    for name in options.networks.split(","):
        batchings = {n: Batching(yardstick_data(name, options.data_dir, n)) for n in (0, 2)}
        for label in options.precisions.split(","):
            slow = label == "bf16" and emulated
            times, warmup = (1, 0) if options.quick or slow else STEPS.get(name, (3, 1))
            rounds = options.rounds if name in CONVOLUTIONAL else 2 * options.rounds + 1
            if slow:
                rounds = 1 + (name != "resnet_56")
            variants = {"ours": (), "no weight norm": ("norm=none", "init=he")}
            found = {}
            for variant, more in list(variants.items())[: 1 if slow else None]:
                precision = f"trainer.precision={PRECISIONS[label]}"
                config = composed(name, options.data_dir, precision, *more)
                found[variant] = repeated(our_step(config, sources.of(config)), times, warmup)
            for num_workers, batching in list(batchings.items())[: 1 if slow else None]:
                step = yardstick_step(name, batching, PRECISIONS[label])
                variant = f"yardstick, {num_workers} workers"
                found[variant] = repeated(step, times, warmup, batching.workers)
            section.add(name, "step", compare(found, 1 if options.quick else rounds), precision=label)
    section.write()


if __name__ == "__main__":
    main()
