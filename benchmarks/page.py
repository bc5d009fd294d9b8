"""Seconds until the page of a claim with many runs is loaded in a headless Chromium.

    python -m benchmarks.page [--runs 5000] [--rounds 7] [--out outputs/bench/page.json]

The runs are made up, with curves of 4 epochs, and are those of Arpit et al. 2019, Fig. 4, with more seeds.
Wants chromium and chromedriver. Timed by the browser, from the start of the navigation to the end of the
load event, with a new window for each round.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from itertools import product
from pathlib import Path

from benchmarks.measuring import ROOT
from initlab.report.claim_report import ClaimReport
from initlab.report.claims import find
from initlab.report.evidence import gather
from initlab.report.site import write_claim
from initlab.results.store import Store

sys.path.insert(0, str(ROOT / "tests" / "support"))
from fabricated import fabricate

NAME = "arpit2019/fig4"
INITS, RATES, WARMUPS = ("pytorch", "data_dependent", "hanin", "proposed"), ("0.01", "0.05", "0.1"), (0, 1)
LOADED = """
    const timing = performance.getEntriesByType('navigation')[0];
    return [timing.loadEventEnd / 1000, document.querySelectorAll('tr').length];
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=ROOT / "outputs" / "bench" / "page.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        page = written(Path(folder), options.runs)
        seconds, rows = loaded(page, options.rounds)
        content = {"runs": options.runs, "bytes": page.stat().st_size, "rows": rows, "seconds": seconds}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(content, indent=1) + "\n")
    low, high = min(seconds), max(seconds)
    print(
        f"{options.runs} runs, {content['bytes'] / 2**20:.1f} MiB, {rows} rows of tables at first: ", end=""
    )
    print(f"{statistics.median(seconds):.2f} s ({low:.2f}-{high:.2f}), n={len(seconds)}")


def written(folder: Path, runs: int) -> Path:
    """Write the page of a claim with about so many runs."""
    store = Store(folder)
    seeds = range(-(-runs // (len(INITS) * len(RATES) * len(WARMUPS))))
    cells = [
        (
            {"init": init, "lr": lr, "warmup_epochs": warmup, "seed": seed},
            "diverged" if lr == "0.1" and seed % 2 else "ok",
            {"train/loss": 0.5, "val/acc": 0.5, "best/val_acc": 0.5, "test/acc": 0.4},
        )
        for init, lr, warmup, seed in product(INITS, RATES, WARMUPS, seeds)
    ][:runs]
    fabricate(store, NAME, cells, epochs=4)
    claim = find(NAME)
    assert claim is not None
    return write_claim(ClaimReport(claim, gather(NAME, NAME, store)), folder / "report")[0]


def loaded(page: Path, rounds: int) -> tuple[list[float], int]:
    """Load a page some times; return the seconds, and the rows of its tables."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        sys.exit("this wants chromium and chromedriver")
    seconds: list[float] = []
    rows = 0
    for _ in range(rounds):
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
            options.add_argument(argument)
        window = webdriver.Chrome(options=options, service=Service(driver))
        try:
            window.get(page.as_uri())
            taken, rows = window.execute_script(LOADED)
        finally:
            window.quit()
        seconds.append(round(taken, 3))
    return seconds, rows


if __name__ == "__main__":
    main()
