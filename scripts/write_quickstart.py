"""Record the runs of ``make run``: docs/results/quickstart.md and .png, and the table of the README.

make run && .venv/bin/python scripts/write_quickstart.py
"""

import shutil
from pathlib import Path

from initlab.report.comparison import compare
from initlab.report.site import write_sweep
from initlab.report.sweep_report import SweepReport
from initlab.report.table import markdown
from initlab.results.store import Store

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results" / "quickstart.md"
MARKS = ("<!-- quickstart:begin", "<!-- quickstart:end -->")


def main() -> None:
    """Write the page, the picture and the README's table from the results under ``outputs``."""
    store = Store(ROOT / "outputs")
    folder = store.output_dir / "report"
    report = SweepReport(compare(store, "quickstart"))
    write_sweep(report, folder)
    if missing := report.evidence.count("missing"):
        raise SystemExit(
            f"{missing} of {len(report.evidence.cells)} runs have no result: run `make run` first"
        )
    shutil.copy(folder / "quickstart.md", PAGE)
    shutil.copy(folder / "quickstart.png", PAGE.with_suffix(".png"))
    _, _, table = markdown(report.tables[-1]).partition("\n\n")
    readme = ROOT / "README.md"
    text = readme.read_text()
    begin = text.index("\n", text.index(MARKS[0])) + 1
    end = text.index(MARKS[1])
    readme.write_text(text[:begin] + table + text[end:])


if __name__ == "__main__":
    main()
