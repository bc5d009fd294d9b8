"""The files of a report: those of each claim, and an index of all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from initlab.report.claim_report import ClaimReport, as_latex, as_markdown
from initlab.report.page.claim_page import claim_page
from initlab.report.page.index_page import index_page
from initlab.results.atomic import make_folder, write_bytes, write_text


def write_claim(report: ClaimReport, folder: Path) -> list[Path]:
    """Write ``<sweep>.html``, ``.md``, ``.tex``, and the figures as PNG and SVG; return the paths.

    Raises:
        OutputError: the folder cannot be written to.
    """
    stem = folder / report.evidence.sweep
    make_folder(stem.parent)
    figures = report.figures()
    paths = [stem.with_name(f"{stem.name}.html")]
    write_text(paths[0], claim_page(report, [figure["svg"] for figure in figures]))
    for name, figure in zip(report.stems(), figures, strict=True):
        for kind, content in figure.items():
            paths.append(stem.with_name(f"{name}.{kind}"))
            write_bytes(paths[-1], content)
    for kind, text in (("md", as_markdown(report)), ("tex", as_latex(report))):
        paths.append(stem.with_name(f"{stem.name}.{kind}"))
        write_text(paths[-1], text)
    return paths


def write_index(reports: Sequence[ClaimReport], others: Sequence[str], folder: Path) -> Path:
    """Write ``index.html`` with a line and a card for each claim, and links to what is no claim.

    Raises:
        OutputError: the folder cannot be written to.
    """
    make_folder(folder)
    path = folder / "index.html"
    write_text(path, index_page(reports, others))
    return path
