"""Time per batch of the loader alone: MNIST, and CIFAR-10 with crop and flip, in batches of 128.

    python -m benchmarks.loader [--data-dir data] [--out outputs/bench/loader.json]

Ours is timed over whole epochs, so that what it draws before the first batch counts; the yardstick over
stretches of an epoch. CPU time counts the yardstick's worker processes too.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.contenders import Batching, Sources, composed, forever, one_thread, yardstick_data
from benchmarks.measuring import Contender, Section, arguments, compare, repeated

CASES = {"mnist": "mlp_10x128", "cifar10": "wrn_16_1"}


def main() -> None:
    options = arguments("loader", __doc__, rounds=11).parse_args()
    one_thread()
    section = Section("loader", options)
    for case, network in CASES.items():
        found = contenders(network, options.data_dir, options.quick)
        section.add(case, "batch of 128", compare(found, 1 if options.quick else options.rounds))
    section.write()


def contenders(network: str, data_dir: Path, quick: bool) -> dict[str, Contender]:
    config = composed(network, data_dir)
    resident = Sources().of(config).loaders(config["batch_size"], seed=0).train
    batches = forever(resident)
    found = {"ours": repeated(lambda: next(batches), times=len(resident))}
    for num_workers in (0, 2):
        batching = Batching(yardstick_data(network, data_dir, num_workers))
        times, warmup = (2, 1) if quick else (40, 6)
        found[f"yardstick, {num_workers} workers"] = repeated(batching.next, times, warmup, batching.workers)
    return found


if __name__ == "__main__":
    main()
