"""Where the time of a training step goes: torch.profiler over steps of ours, float32, batch 128, one thread.

    python -m benchmarks.profiled [--data-dir data] [--out outputs/bench/profiled.json]

Shares are of the CPU time that the profiler gives to operations themselves, without those that they call;
the time between operations (Python, autograd's bookkeeping) is what the step takes without the profiler
minus their sum.
"""

from __future__ import annotations

from torch.profiler import ProfilerActivity, profile

from benchmarks.contenders import Sources, composed, one_thread, our_step
from benchmarks.measuring import Section, arguments, compare, repeated
from benchmarks.step import NAMES, STEPS

TOP = 8


def main() -> None:
    options = arguments("profiled", __doc__, rounds=3).parse_args()
    one_thread()
    section, sources = Section("profiled", options), Sources()
    profiles = []
    for name in NAMES:
        times, _ = (1, 0) if options.quick else STEPS[name]
        config = composed(name, options.data_dir)
        step = our_step(config, sources.of(config))
        plain = compare({"ours": repeated(step, times, warmup=1)}, 1 if options.quick else options.rounds)
        section.add(name, "step", plain)
        with profile(activities=[ProfilerActivity.CPU]) as recorded:
            for _ in range(times):
                step()
        operations = sorted(recorded.key_averages(), key=lambda op: -op.self_cpu_time_total)
        total = sum(op.self_cpu_time_total for op in operations)
        top = [
            {
                "name": op.key,
                "ms": round(op.self_cpu_time_total / times / 1e3, 3),
                "share": round(op.self_cpu_time_total / total, 4),
                "calls": round(op.count / times, 1),
            }
            for op in operations[:TOP]
        ]
        profiles.append({"case": name, "ms_of_operations": round(total / times / 1e3, 3), "top": top})
        for row in top:
            print(f"{'':4}{row['share']:6.1%} {row['ms']:9.3f} ms {row['calls']:8} calls  {row['name']}")
    section.content["profiles"] = profiles
    section.write()


if __name__ == "__main__":
    main()
