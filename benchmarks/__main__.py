"""All sections, one after another, each in a process of its own: ``make bench``.

    python -m benchmarks [--data-dir data] [--out-dir outputs/bench] [--quick] [loader step ...]

Needs MNIST and CIFAR-10 in ``--data-dir`` and a machine that does nothing else; half an hour on 2 cores.
``python -m benchmarks.step --help`` shows the options of one section. Afterwards
``python scripts/write_performance_page.py`` writes docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measuring import ROOT

MEASURED = ("loader", "step", "fit", "grid", "memory", "depth", "start", "profiled")
# Programs of other parts of the project, which take --out and choose their own sizes.
OTHERS = tuple(name for name in ("sweep", "population") if (ROOT / "benchmarks" / f"{name}.py").is_file())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=", ".join(MEASURED + OTHERS))
    data = Path(os.environ.get("INITLAB_DATA_DIR", "data"))
    parser.add_argument(
        "--data-dir", type=Path, default=data, help="holds MNIST and CIFAR-10, for torchvision"
    )
    parser.add_argument("--out-dir", type=Path, default=ROOT / "outputs" / "bench")
    parser.add_argument("--quick", action="store_true", help="tiny: to see that all work, not to measure")
    options = parser.parse_args()
    wrong = set(options.sections) - {*MEASURED, *OTHERS}
    if wrong:
        parser.error(f"there is no section {wrong.pop()}: they are {', '.join(MEASURED + OTHERS)}")
    failed = []
    for name in options.sections or MEASURED + OTHERS:
        print(f"== {name}", flush=True)
        out = (options.out_dir / f"{name}.json").absolute()
        command = [sys.executable, "-m", f"benchmarks.{name}", "--out", str(out)]
        if name in MEASURED:
            command += ["--data-dir", str(options.data_dir.absolute()), *["--quick"] * options.quick]
        clock = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
        print(f"== {name}: {time.perf_counter() - clock:.0f} s in all", flush=True)
        if done.returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
