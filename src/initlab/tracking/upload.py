"""A report's page, tables and figures as an artifact of a W&B run of its own, with a table over the seeds."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from initlab.report.comparison import Comparison, compare, mean_and_sd
from initlab.results.store import NotFound, Store
from initlab.tracking.login import logged_in

COLUMNS = (
    *("sweep", "series", "lr", "n"),
    *("val_acc_mean", "val_acc_sd", "test_acc_mean", "test_acc_sd"),
    *("diverged", "crashed"),
)
TABLE, FIGURE, PAGE = "report/groups", "report/figure", "report/page"


def files_of(output_dir: Path, name: str) -> list[Path]:
    """Return the files that `report` wrote for a claim or a sweep, or those at a path.

    Args:
        output_dir: the folder of the runs; reports lie in its ``report``.
        name: ``arpit2019/fig4``, or the path of a file or a folder.

    Raises:
        NotFound: there are none.
    """
    path = Path(name)
    if path.is_file():
        return [path]
    if path.is_dir():
        found = [file for file in path.rglob("*") if file.is_file()]
    else:
        stem = output_dir / "report" / name
        own = re.compile(rf"{re.escape(stem.name)}(-\d+)?")
        found = [file for file in stem.parent.glob(f"{stem.name}*.*") if own.fullmatch(file.stem)]
    if not found:
        raise NotFound(f"there is no report {name!r} in {output_dir / 'report'}: `report {name}` writes it")
    return sorted(found)


def groups_table(comparisons: Sequence[Comparison]) -> list[Any]:
    """Return a row for each group of runs that differ in the seed alone, in the order of ``COLUMNS``.

    Accuracies are fractions over the finished runs, with the sample standard deviation (n - 1).
    """
    rows: list[Any] = []
    for comparison in comparisons:
        for group in comparison.groups:
            spreads = [mean_and_sd(group.accuracies(split)) or (None, None) for split in ("val", "test")]
            numbers = [number for spread in spreads for number in spread]
            counts = [group.count("diverged"), group.count("crashed")]
            rows.append([comparison.name, group.series, group.lr, len(group.finished), *numbers, *counts])
    return rows


def upload(store: Store, name: str, project: str, entity: str | None) -> str | None:
    """Log a report and return the address of its W&B run; None where it was kept offline for ``sync``.

    The run's id is made of the name, so that a later report is the next version of the same artifact.

    Raises:
        NotFound: there is no report of that name.
    """
    files = files_of(store.output_dir, name)
    try:
        sweeps = store.sweeps_of(name)
    except NotFound:  # a path
        sweeps = []
    rows = groups_table([compare(store, sweep) for sweep in sweeps])
    manifest = store.read_sweep(sweeps[0]) if sweeps else {}
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    title = "report-" + re.sub(r"[^\w.-]+", "-", name).strip("-")
    run = wandb.init(
        dir=str(store.output_dir),
        id=title,
        resume="allow",
        project=project,
        entity=entity,
        name=f"report of {name}",
        group=name,
        job_type="report",
        tags=["report"],
        config={"experiment": manifest.get("experiment"), "scale": manifest.get("scale", "full")},
        mode=None if logged_in() else "offline",
    )
    artifact = wandb.Artifact(title, type="report")
    common = Path(os.path.commonpath([file.parent for file in files]))
    for file in files:
        artifact.add_file(str(file), name=file.relative_to(common).as_posix())
    run.log_artifact(artifact)
    shown: dict[str, Any] = {}
    if rows:
        shown[TABLE] = wandb.Table(columns=list(COLUMNS), data=rows, allow_mixed_types=True)
    pictures = [wandb.Image(str(file), caption=file.stem) for file in files if file.suffix == ".png"]
    if pictures:
        shown[FIGURE] = pictures
    pages = [file for file in files if file.suffix == ".html"]
    if pages:
        shown[PAGE] = wandb.Html(str(pages[0]), inject=False)
    if shown:
        run.log(shown)
    address = None if run.offline else run.url
    run.finish()
    return address
