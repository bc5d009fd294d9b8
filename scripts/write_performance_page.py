"""Write docs/performance.md from what ``make bench`` measured.

    .venv/bin/python scripts/write_performance_page.py [--from outputs/bench]

The JSON files under ``--from`` are first copied to docs/results/performance/, from which the page is
written; what stands in docs/performance_notes.md is its last part. Without ``--from`` the page is written
anew from what is there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.cases import TITLES as NETWORKS  # noqa: E402
from benchmarks.measuring import median, quartiles  # noqa: E402

RESULTS = ROOT / "docs" / "results" / "performance"
NOTES = ROOT / "docs" / "performance_notes.md"
PAGE = ROOT / "docs" / "performance.md"
SECTIONS = ("loader", "step", "fit", "grid", "memory", "depth", "start", "profiled")
TITLES = {**NETWORKS, "mnist": "MNIST", "cifar10": "CIFAR-10, crop and flip"}
# The least times faster than the yardstick, by section, case and precision.
TARGETS: dict[tuple[str, ...], float] = {
    ("loader", "mnist"): 30,
    ("loader", "cifar10"): 10,
    ("step", "mlp_10x128", "float32"): 3,
    ("step", "mlp_10x512", "float32"): 1.4,
    ("step", "wrn_16_1", "float32"): 1.35,
    ("step", "resnet_56", "float32"): 1.2,
    ("step", "wrn_16_1", "bf16"): 2.5,
    ("step", "resnet_56", "bf16"): 2.5,
    ("grid", "mlp_10x128"): 6,
    ("grid", "wrn_10_1"): 2,
}
# The most that the whole trainer.fit may take, over the bare loop.
FIT = {"mlp_10x128": 1.35, "wrn_16_1": 1.15, "resnet_56": 1.15}
START_S = 1.0  # CPU seconds of a command that trains nothing
FLAT = 2.0  # a layer of the deepest network costs at most so many times one of the shallowest of 100 or more
HEAD = """\
# Performance

Written by `python scripts/write_performance_page.py` from the measurements in `docs/results/performance/`;
`make bench` makes new ones. Do not edit: what a person has to say stands in
[performance_notes.md](performance_notes.md).

The yardstick is [benchmarks/yardstick](../benchmarks/yardstick): the same networks and recipes with
Lightning, torch's `DataLoader`, torchvision's transforms on PIL images, torch's weight norm and SGD, one
process per run, each process with one thread. Tests hold it to the same losses, the same augmentation and
the same number of steps. All that is compared took turns within one run. Tables give medians over the
rounds (n) and, in brackets, the quartiles; a ratio is the median of the ratios within rounds, against the
faster of the yardstick's variants (0 or 2 loader workers) by the same clock. A target is met where both
clocks say so; where one of them does not, it is not met.
"""
Row = dict[str, Any]


def main() -> None:
    """Copy the measurements and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--from", dest="source", type=Path, help="folder of new measurements, outputs/bench")
    source = parser.parse_args().source
    if source is not None:
        RESULTS.mkdir(parents=True, exist_ok=True)
        for path in sorted(source.glob("*.json")):
            if json.loads(path.read_text()).get("quick"):
                raise SystemExit(f"{path} was made with --quick, which measures nothing")
            shutil.copy(path, RESULTS / path.name)
    PAGE.write_text(page(RESULTS, NOTES), encoding="utf-8")


def page(results: Path, notes: Path) -> str:
    """Return the page for a folder of measurements."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(results.glob("*.json"))}
    parts = [HEAD, machines(found)]
    writers: dict[str, Callable[[dict[str, Any]], str]] = {
        "loader": loader, "step": step, "fit": fit, "grid": grid,
        "memory": memory, "depth": depth, "start": start, "profiled": profiled,
    }  # fmt: skip
    parts += [
        writers[name](found[name]) + command(found[name]) if name in found else missing(name)
        for name in SECTIONS
    ]
    on_gpu = {name: content for name, content in found.items() if content.get("section") == "gpu"}
    parts += [gpu(on_gpu)] if on_gpu else []
    parts += [sweep(found["sweep"])] if "sweep" in found else []
    parts += [population(found["population"])] if "population" in found else []
    return "\n".join(part.strip("\n") + "\n" for part in [*parts, notes.read_text(encoding="utf-8")])


def missing(name: str) -> str:
    """Say that a section was not measured."""
    return f"## {name.capitalize()}\n\nNot measured: `python -m benchmarks {name}`."


def command(content: dict[str, Any]) -> str:
    """Say how a section was made."""
    load = f"load {content['machine']['load_at_start']:.1f} before, {content['load_at_end']:.1f} after"
    return f"\n`{content['command']}`: {content['seconds']:.0f} s, {content['started'][:10]}, {load}.\n"


def machines(found: dict[str, dict[str, Any]]) -> str:
    """Name the machine of each section; one line where it is the same of all."""
    told: dict[str, list[str]] = {}
    for name, content in found.items():
        if "flags" in content.get("machine", {}):
            told.setdefault(machine(content["machine"]), []).append(name)
    if not told:
        return "## Machine\n\nNothing has been measured yet."
    lines = ["## Machine", ""]
    for text, names in told.items():
        lines.append(text if len(told) == 1 else f"{', '.join(names)}: {text}")
    return "\n".join(lines)


def machine(about: dict[str, Any]) -> str:
    """Name a machine in two sentences."""
    flags = about["flags"]
    number = f" (family {about['cpu_family']}, model {about['cpu_model']})" if about.get("cpu_family") else ""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    has = f"It has {', '.join(flags)}" if flags else "It names none of the vector instructions looked for"
    if "amx_bf16" in flags:
        bf16 = "AMX multiplies bf16 matrices in hardware"
    elif "avx512_bf16" in flags:
        bf16 = "bf16 has vector instructions and no AMX"
    else:
        bf16 = "**no AMX and no other instruction for bf16**, which is emulated: bf16 cannot be fast here"
    return (
        f"{about['cpu']}{number}, {about['cores']} cores, {about['memory_gib']:.0f} GiB, {about['system']}; "
        f"{about['threads'] or 'all'} thread(s) per process. {has}; {bf16}. {versions}."
    )


def table(heads: Sequence[str], lines: Sequence[Sequence[str]], left: int = 2) -> str:
    """Return a table, its first columns aligned left."""
    rule = [":---" if i < left else "---:" for i in range(len(heads))]
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, rule, *lines]) + "\n"


def ms(values: Sequence[float]) -> str:
    """Write milliseconds: median and quartiles."""
    return spread([1e3 * value for value in values])


def spread(values: Sequence[float]) -> str:
    """Write a median, with the quartiles where there are several values."""
    low, middle, high = quartiles(values)
    return number(middle) + (f" ({number(low)}-{number(high)})" if len(values) > 1 else "")


def number(value: float) -> str:
    """Write three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def variants(content: dict[str, Any], case: str, **fixed: Any) -> dict[str, Row]:
    """Return the rows of a case by variant."""
    return {
        row["variant"]: row
        for row in content["rows"]
        if row["case"] == case and all(row.get(key) == value for key, value in fixed.items())
    }


def cases(content: dict[str, Any]) -> list[str]:
    """Return the cases in their order."""
    return list(dict.fromkeys(row["case"] for row in content["rows"]))


def ratios(rows: dict[str, Row], clock: str, ours: str = "ours") -> list[float]:
    """Return how many times the yardstick takes what ours takes, round by round."""
    against = [row for name, row in rows.items() if name.startswith("yardstick")]
    best = min(against, key=lambda row: median(row[clock]))
    pairs = zip(best[clock], rows[ours][clock], strict=False)
    return [theirs / mine for theirs, mine in pairs]


def verdict(found: Sequence[Sequence[float]], target: float | None) -> list[str]:
    """Write the ratios by both clocks, the target and whether it is met."""
    shown = [f"{spread(one)}x" for one in found]
    if target is None:
        return [*shown, "", ""]
    met = all(median(one) >= target for one in found)
    return [*shown, f"{target:g}x", "met" if met else "**not met**"]


CLOCKS = ("cpu_s", "wall_s")
RATIO_HEADS = ("CPU time", "wall time", "target", "")


def loader(content: dict[str, Any]) -> str:
    """Write time per batch and the ratios."""
    lines, judged = [], []
    for case in cases(content):
        rows = variants(content, case)
        lines += [
            [TITLES[case], name, ms(row["cpu_s"]), ms(row["wall_s"]), str(len(row["cpu_s"]))]
            for name, row in rows.items()
        ]
        found = [ratios(rows, clock) for clock in CLOCKS]
        judged.append([TITLES[case], *verdict(found, TARGETS.get(("loader", case)))])
    return (
        "## Loader\n\nMilliseconds per batch of 128, the loader alone.\n\n"
        + table(("data", "", "CPU ms", "wall ms", "n"), lines)
        + "\nHow many times less time ours takes:\n\n"
        + table(("data", *RATIO_HEADS), judged, left=1)
    )


def step(content: dict[str, Any]) -> str:
    """Write time per step and the ratios."""
    lines, judged = [], []
    for case in cases(content):
        for precision in ("float32", "bf16"):
            rows = variants(content, case, precision=precision)
            lines += [
                [TITLES[case], precision, name, ms(row["cpu_s"]), ms(row["wall_s"]), str(len(row["cpu_s"]))]
                for name, row in rows.items()
            ]
            if "ours" not in rows:
                continue
            target = TARGETS.get(("step", case, precision))
            # In bf16 ours is held against the yardstick in float32, which is what a user has.
            base = variants(content, case, precision="float32") if precision == "bf16" else rows
            against = {name: row for name, row in base.items() if name.startswith("yardstick")}
            if not against:
                continue
            found = [ratios({**against, "ours": rows["ours"]}, clock) for clock in CLOCKS]
            judged.append([TITLES[case], precision, *verdict(found, target)])
    return (
        "## Step\n\nMilliseconds per training step of 128 with its loader. `no weight norm` is ours without "
        "it, the floor.\n\n"
        + table(("network", "precision", "", "CPU ms", "wall ms", "n"), lines, left=3)
        + "\nHow many times less time ours takes than the yardstick in float32:\n\n"
        + table(("network", "ours in", *RATIO_HEADS), judged)
    )


def fit(content: dict[str, Any]) -> str:
    """Write the whole fit over the bare loop."""
    lines = []
    for case in cases(content):
        rows = variants(content, case)
        for name, row in rows.items():
            ratio, target, told = "", "", ""
            if name == "trainer.fit":
                pairs = zip(row["cpu_s"], rows["bare loop"]["cpu_s"], strict=True)
                found = [one / other for one, other in pairs]
                ratio, target = f"{spread(found)}x", f"{FIT[case]:g}x"
                told = "met" if median(found) <= FIT[case] else "**not met**"
            seconds = [spread(row[clock]) for clock in CLOCKS]
            lines.append([TITLES[case], row["unit"], name, *seconds, ratio, target, told])
    heads = ("network", "of", "", "CPU s", "wall s", "over the bare loop, CPU", "at most", "")
    return (
        "## Fit\n\nThe whole `trainer.fit` against a loop of the same steps and the same validation.\n\n"
        + table(heads, lines, left=3)
    )


def grid(content: dict[str, Any]) -> str:
    """Write the time of grids and the ratios, in wall time alone."""
    lines, judged = [], []
    for case in cases(content):
        rows = variants(content, case)
        for name, row in rows.items():
            share = f"{row['cells_run']} of {row['cells']}"
            lines.append([TITLES[case], name, share, *(spread(row[clock]) for clock in CLOCKS)])
        found = ratios(rows, "wall_s", ours="ours, pool")
        target = TARGETS[("grid", case)]
        told = "met" if median(found) >= target else "**not met**"
        judged.append([TITLES[case], f"{spread(found)}x", f"{target:g}x", told])
    return (
        "## Grid\n\nSeconds for all cells of a grid, one epoch each, with every process's start, validation "
        "and test. Where a share of the cells was run, its time is multiplied.\n\n"
        + table(("grid of", "", "cells run", "CPU s", "wall s"), lines, left=3)
        + "\n"
        + table(("grid of", "wall time, ours over the yardstick", "target", ""), judged, left=1)
    )


def memory(content: dict[str, Any]) -> str:
    """Write the peak of memory and whether it is within the yardstick's plus the data."""
    lines = []
    for case in cases(content):
        rows = variants(content, case)
        peaks = {name: max(row["memory_bytes"]) / 2**20 for name, row in rows.items()}
        resident = rows["ours"]["resident_bytes"] / 2**20
        most = peaks["yardstick"] + resident
        told = "met" if peaks["ours"] <= most else "**not met**"
        cells = [f"{value:.0f}" for value in (peaks["ours"], peaks["yardstick"], resident, most)]
        lines.append([TITLES[case], *cells, told])
    heads = ("network", "ours", "yardstick", "resident data", "at most", "")
    return "## Memory\n\nMiB at the peak of a run, the largest of the rounds.\n\n" + table(
        heads, lines, left=1
    )


def depth(content: dict[str, Any]) -> str:
    """Write time and memory per layer by depth."""
    lines, judged = [], []
    for row in content["rows"]:
        network, _, layers = row["case"].partition(" ")
        kib = f"{row['bytes_per_layer'] / 1024:.0f}"
        build = f"{1e3 * row['build_s'] / row['layers']:.2f}"
        lines.append([network, layers, ms(row["cpu_s"]), kib, build, str(row["batch_size"])])
    for network in dict.fromkeys(row["case"].split()[0] for row in content["rows"]):
        rows = [r for r in content["rows"] if r["case"].split()[0] == network and r["layers"] >= 90]
        if len(rows) > 1:
            time = median(rows[-1]["cpu_s"]) / median(rows[0]["cpu_s"])
            space = rows[-1]["bytes_per_layer"] / rows[0]["bytes_per_layer"]
            flat = "flat" if max(time, space) <= FLAT else f"**not flat** (more than {FLAT:g}x)"
            judged.append([network, f"{time:.2f}x", f"{space:.2f}x", flat])
    heads = ("network", "layers", "CPU ms", "KiB", "CPU ms to build and initialize", "inputs")
    return (
        "## Depth\n\nOne training step, per layer.\n\n"
        + table(heads, lines, left=1)
        + "\nA layer of the deepest network over one of the network of 100:\n\n"
        + table(("network", "CPU time", "memory", ""), judged, left=1)
    )


def start(content: dict[str, Any]) -> str:
    """Write the CPU time until a command answers."""
    lines = []
    for row in content["rows"]:
        told = "" if row["variant"].startswith("template") else "met"
        if told and median(row["cpu_s"]) > START_S:
            told = "**not met**"
        target = f"{START_S:g}" if told else ""
        lines.append([f"`{row['variant']}`", *(spread(row[clock]) for clock in CLOCKS), target, told])
    return "## Start\n\nSeconds until a command has answered.\n\n" + table(
        ("command", "CPU s", "wall s", "at most", ""), lines, left=1
    )


def profiled(content: dict[str, Any]) -> str:
    """Write the operations that take most of a step, and name the first."""
    lines = []
    for found in content["profiles"]:
        for op in found["top"][:5]:
            shown = [f"{op['share']:.1%}", number(op["ms"]), f"{op['calls']:g}"]
            lines.append([TITLES[found["case"]], f"`{op['name']}`", *shown])
    first = "; ".join(
        f"{TITLES[found['case']]}: `{found['top'][0]['name']}`, {found['top'][0]['share']:.0%}"
        for found in content["profiles"]
    )
    return (
        "## Where the time of a step goes\n\nOurs in float32, by torch.profiler; time of an operation "
        f"itself, as a share of that of all operations. The largest remaining cost is of {first}.\n\n"
        + table(("network", "operation", "share", "ms per step", "calls"), lines)
    )


def gpu(found: dict[str, dict[str, Any]]) -> str:
    """Write what a GPU makes of steps, populations and grids, from one file or several."""
    card: dict[str, Any] = next(content["card"] for content in found.values() if content["card"])
    peaks = {"float32": card["float32_tflops"], "bf16": card["bf16_tflops"]}
    rows = [row for content in found.values() for row in content["rows"]]
    steps, populations, grids = [], [], []
    for case in dict.fromkeys(row["case"] for row in rows if row["part"] == "steps"):
        here = {row["variant"]: row for row in rows if row["case"] == case and row["part"] == "steps"}
        flops = next(row["flops_per_step"] for row in here.values() if row.get("flops_per_step"))
        best = min(median(row["wall_s"]) for name, row in here.items() if name.startswith("yardstick"))
        for name, row in here.items():
            seconds, peak = median(row["wall_s"]), peaks["bf16" if "bf16" in name else "float32"]
            cells = [ms(row["wall_s"]), number(128 / seconds), f"{best / seconds:.2f}x"]
            steps.append([TITLES[case], name, *cells, f"{flops / seconds / peak / 1e12:.1%}"])
    for content in found.values():
        for case, ratios_of in content.get("times_as_fast", {}).items():
            size, _, network = case.partition(" of ")
            told = [f"{ratios_of[way]:.1f}x" if way in ratios_of else "" for way in WAYS]
            populations.append([TITLES[network], size, *told])
    for case in dict.fromkeys(row["case"] for row in rows if row["part"] == "grids"):
        here = {row["variant"]: row for row in rows if row["case"] == case and row["part"] == "grids"}
        against = [median(row["wall_s"]) for name, row in here.items() if name.startswith("yardstick")]
        for name, row in here.items():
            seconds = median(row["wall_s"])
            ratio = f"{min(against) / seconds:.1f}x" if against else "no yardstick measured"
            grids.append(
                [TITLES[case], name, f"{row['cells_run']} of {row['cells']}", number(seconds), ratio]
            )
    made = "; ".join(f"`{content['command']}`, {content['started'][:10]}" for content in found.values())
    rates = f"{peaks['float32']:.0f} TFLOP/s in float32 without TF32, {peaks['bf16']:.0f} in bf16"
    return (
        f"## GPU\n\nOne {card['name']}, on which large matrix products came to {rates}, and a copy to "
        f"{card['copy_gb_per_s']} GB/s; convolutions in float32 are without TF32.\n\nA training step of 128 "
        "with its loader, against the yardstick's in float32 with 0 or 4 workers, and its share of the "
        "card's measured peak:\n\n"
        + table(("network", "", "wall ms", "samples/s", "times as fast", "of the peak"), steps)
        + "\nA step of K runs, times as fast as one after another:\n\n"
        + table(("network", "K", *WAYS), populations, left=1)
        + "\nWhole commands of 20 runs of an epoch with validation and test, the start included:\n\n"
        + table(("network", "", "cells run", "wall s", "over the yardstick"), grids, left=2)
        + f"\n{made}.\n"
    )


WAYS = ("sequence, CUDA graphs", "population", "population, CUDA graph", "by hand")


def sweep(content: dict[str, Any]) -> str:
    """Write what planning, the store and the pool cost."""
    lines = [[f"plan {content['plan']['cells']:,} cells", *spent(content["plan"])]]
    for name in ("list", "status", "table"):
        told = f"{name} of a store of {content['store']['results']:,} results"
        lines.append([told, *spent(content["store"][name])])
    cells = content["pool"]["cells"]
    lines.append([f"{cells:,} trivial cells through the warm pool", *spent(content["pool"]["first"])])
    lines.append(["the same once more, all there", *spent(content["pool"]["again"])])
    rounds = content["overhead"]["rounds"]
    more = []
    for name in rounds[0]:
        of = [one[name] for one in rounds if name in one]
        times = [[one[key] for one in of] for key in ("wall", "cpu", "start")]
        more.append([name, *(spread(values) for values in times)])
    versions = ", ".join(f"{name} {version}" for name, version in content["machine"]["versions"].items())
    return (
        "## Sweep\n\n"
        + table(("", "wall s", "CPU s", "MiB"), lines, left=1)
        + f"\nOne more cell of one training step, from sweeps of {content['overhead']['cells']} cells:\n\n"
        + table(("", "wall s", "CPU s", "start, CPU s"), more, left=1)
        + f"\n`python -m benchmarks sweep`, {content['machine']['cores']} cores, {versions}.\n"
    )


def spent(one: dict[str, float]) -> list[str]:
    """Write wall and CPU seconds and memory."""
    return [number(one["wall"]), number(one["cpu"]), number(one["mib"])]


def population(content: dict[str, Any]) -> str:
    """Write how a population compares with runs in sequence, on the CPU."""
    ways = ("processes", "population", "by hand")
    lines = []
    for row in content["rows"]:
        told = [f"{row['times_as_fast'][way]:.2f}x" if way in row["times_as_fast"] else "" for way in ways]
        lines.append([row["network"], str(row["size"]), number(1e3 * row["seconds"]["sequence"]), *told])
    return (
        "## Population\n\nA training step of K runs, times as fast as one after another in one process; "
        "`processes` are two.\n\n"
        + table(("network", "K", "in sequence, ms", *ways), lines, left=1)
        + f"\n`python -m benchmarks population`, {content['device']}, torch {content['torch']}.\n"
    )


if __name__ == "__main__":
    main()
