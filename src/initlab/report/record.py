"""The committed record of a claim: its results, its figures, and a page that says what was run here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from initlab.errors import InitlabError
from initlab.report.claim_report import ClaimReport, as_markdown
from initlab.report.evidence import REDUCED
from initlab.report.table import Table, markdown
from initlab.results.atomic import write_bytes, write_text
from initlab.results.recorded import Recorded


def record(report: ClaimReport, recorded: Recorded) -> list[Path]:
    """Write the results of a sweep, compressed, and its figures; return the paths.

    Raises:
        InitlabError: no run has left a result.
        OutputError: the folder cannot be written to.
    """
    evidence = report.evidence
    if not evidence.results:
        raise InitlabError(
            f"there is no result of {evidence.sweep} to record: "
            f"run `python train.py -m experiment={report.claim.name}`"
        )
    folder = recorded.write(evidence.sweep, evidence.manifest, evidence.results, evidence.tables)
    paths = [folder / "sweep.json", folder / "runs.jsonl.xz"]
    for name, figure in zip(report.stems(), report.figures(), strict=True):
        paths.append(folder.with_name(f"{name}.png"))
        write_bytes(paths[-1], figure["png"])
    return paths


def write_page(reports: Sequence[ClaimReport], recorded: Recorded) -> Path:
    """Write ``<paper>/<claim>.md``: what was run here at each size, the published numbers beside ours.

    Args:
        reports: of all recorded sweeps of one claim.
        recorded: where the page goes.

    Raises:
        OutputError: it could not be written.
    """
    ordered = sorted(reports, key=lambda report: report.evidence.sweep.endswith(REDUCED))
    path = recorded.root / f"{ordered[0].claim.name}.md"
    write_text(path, "\n".join(map(as_markdown, ordered)))
    return path


def write_index(reports: Sequence[ClaimReport], recorded: Recorded) -> Path:
    """Write ``README.md`` beside the records: a line for each recorded sweep with its runs and verdict.

    Args:
        reports: of all recorded sweeps.
        recorded: where the index goes.

    Raises:
        OutputError: it could not be written.
    """
    rows = []
    for report in reports:
        name = report.evidence.sweep
        size = "reduced" if report.label else "full"
        rows.append(
            (f"[{name}]({report.claim.name}.md)", report.claim.title, size, report.counts, report.verdict)
        )
    table = Table(
        "What was run here", ("claim", "what it is", "size", "runs", "what the paper states"), tuple(rows), 5,
        "Written by `python -m initlab record`. Reduced runs are not of the paper's size.",
    )  # fmt: skip
    path = recorded.root / "README.md"
    write_text(path, markdown(table))
    return path
