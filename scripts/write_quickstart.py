"""Record the runs of ``make run``: docs/results/quickstart.md and .png, and the table of the README.

make run && .venv/bin/python scripts/write_quickstart.py
"""

import re
import shutil
from pathlib import Path

from initlab.report import summary
from initlab.results.store import Store

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results" / "quickstart.md"
MARKS = ("<!-- quickstart:begin", "<!-- quickstart:end -->")


def tables(page: str) -> str:
    """Return the last table of a report page and the note under it."""
    return page[page.index("| init", page.index("Every learning rate")) :].strip()


def main() -> None:
    """Write the page, the picture and the README's table from the results under ``outputs``."""
    store = Store(ROOT / "outputs")
    folder = store.output_dir / "report"
    summary.write(store, "quickstart")
    cells = {cell["run_id"] for cell in store.read_sweep("quickstart")["cells"]}
    results = [result for result in store.results() if result.run_id in cells]
    if len(results) != len(cells):
        raise SystemExit(
            f"{len(cells) - len(results)} of {len(cells)} runs have no result: run `make run` first"
        )
    page = (folder / "quickstart.md").read_text()
    commits = sorted({str(result.git["commit"]) for result in results})
    versions = {
        f"{name} {result.versions[name]}" for result in results for name in ("python", "torch", "initlab")
    }
    provenance = (
        f"Measured with `make run`: {len(results)} runs on {results[0].device}, "
        f"{sum(result.wall_s for result in results):.0f} s of run time in all, "
        f"{', '.join(sorted(versions))}, commit {', '.join(commits)}."
    )
    PAGE.write_text(page.rstrip() + "\n\n" + provenance + "\n")
    shutil.copy(folder / "quickstart.png", PAGE.with_suffix(".png"))
    readme = ROOT / "README.md"
    text = readme.read_text()
    begin = text.index("\n", text.index(MARKS[0])) + 1
    end = text.index(MARKS[1])
    readme.write_text(text[:begin] + re.sub(r"\n{3,}", "\n\n", tables(page)) + "\n" + text[end:])


if __name__ == "__main__":
    main()
