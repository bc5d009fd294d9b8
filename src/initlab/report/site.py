"""The files of a report: those of each claim and of any other sweep, and an index of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from initlab.report import sweep_report
from initlab.report.claim_report import ClaimReport, as_latex, as_markdown
from initlab.report.evidence import Evidence
from initlab.report.page.claim_page import claim_page
from initlab.report.page.index_page import index_page
from initlab.report.page.sweep_page import sweep_page
from initlab.report.sweep_report import SweepReport
from initlab.results.atomic import make_folder, write_bytes, write_text

Made = TypeVar("Made", bound="Report")


class Report(Protocol):
    """What the files of a sweep are made of."""

    @property
    def evidence(self) -> Evidence:
        """The sweep and its results."""

    def figures(self) -> list[dict[str, bytes]]:
        """Draw each figure, as ``png`` and ``svg``."""

    def stems(self) -> list[str]:
        """Name the files of the figures."""


def write_claim(report: ClaimReport, folder: Path, index: bool = False) -> list[Path]:
    """Write ``<sweep>.html``, ``.md``, ``.tex``, and the figures as PNG and SVG; return the paths.

    Args:
        report: of the claim.
        folder: of all reports.
        index: whether an index is written after it; the page leads to one that is there, too.

    Raises:
        OutputError: the folder cannot be written to.
    """
    return _write(report, folder, index, claim_page, {"md": as_markdown, "tex": as_latex})


def write_sweep(report: SweepReport, folder: Path, index: bool = False) -> list[Path]:
    """Write the same files of a sweep that is of no claim; see :func:`write_claim`.

    Raises:
        OutputError: the folder cannot be written to.
    """
    texts = {"md": sweep_report.as_markdown, "tex": sweep_report.as_latex}
    return _write(report, folder, index, sweep_page, texts)


def _write(
    report: Made,
    folder: Path,
    index: bool,
    page: Callable[[Made, Sequence[bytes], bool], str],
    texts: Mapping[str, Callable[[Made], str]],
) -> list[Path]:
    stem = folder / report.evidence.sweep
    make_folder(stem.parent)
    figures = report.figures()
    paths = [stem.with_name(f"{stem.name}.html")]
    index = index or (folder / "index.html").is_file()
    write_text(paths[0], page(report, [figure["svg"] for figure in figures], index))
    for name, figure in zip(report.stems(), figures, strict=True):
        for kind, content in figure.items():
            paths.append(stem.with_name(f"{name}.{kind}"))
            write_bytes(paths[-1], content)
    for kind, write in texts.items():
        paths.append(stem.with_name(f"{stem.name}.{kind}"))
        write_text(paths[-1], write(report))
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
