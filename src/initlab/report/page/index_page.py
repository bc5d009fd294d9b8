"""The page that leads to all others."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby
from urllib.parse import quote

from initlab.report.claim_report import ClaimReport
from initlab.report.page.claim_page import label_of, verdict_label
from initlab.report.page.html import document
from initlab.report.page.parts import section


def index_page(reports: Sequence[ClaimReport], others: Sequence[str]) -> str:
    """Return the index as HTML: a table of all claims, then the figures of those that have run.

    Args:
        reports: of the claims, in the order of their sweeps.
        others: names of the sweeps that are no claim.
    """
    run = [report for report in reports if report.evidence.cells]
    ran = f"{len(run)} of {len(reports)} pages have runs behind them"
    parts = [section("All claims", _table(reports))]
    for paper, group in groupby(run, key=lambda report: report.claim.paper):
        parts.append(section(paper, f'<div class="cards">{"".join(map(_card, group))}</div>'))
    if others:
        items = "".join(f'<li><a href="{quote(name)}.html">{escape(name)}</a></li>' for name in others)
        parts.append(section("Other sweeps", f"<ul>{items}</ul>"))
    header = (
        '<header><h1>Every figure and table, and what was measured here</h1><p class="lead">'
        "One line per figure or table of the papers: whether what it states holds on our runs, decided by a "
        f"95% interval. {escape(ran)}; reduced runs are not of the paper's size.</p></header>"
    )
    return document("Claims · initlab", f'{header}\n<main id="main">\n{"".join(parts)}</main>')


def _table(reports: Sequence[ClaimReport]) -> str:
    columns = ("claim", "verdict", "what", "finished", "runs", "size")
    numbers = ("finished", "runs")
    head = "".join(
        f'<th scope="col"{" class=number" if name in numbers else ""}>{name}</th>' for name in columns
    )
    rows = "".join(map(_row, reports))
    return (
        '<div class="scroll" role="region" tabindex="0" aria-labelledby="claims"><table class="data">'
        f'<caption id="claims">Claims</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(report: ClaimReport) -> str:
    cells = len(report.evidence.cells)
    size = (report.label and "reduced") or ("full" if cells else "—")
    return (
        f'<tr><th scope="row"><a href="{_link(report)}">{escape(report.evidence.sweep)}</a></th>'
        f'<td data-sort="{_rank(report)}">{verdict_label(report) if cells else "not run here"}</td>'
        f"<td>{escape(report.claim.title)}</td>"
        f'<td class="number">{report.evidence.count("ok")}</td><td class="number">{cells}</td>'
        f"<td>{size}</td></tr>"
    )


def _rank(report: ClaimReport) -> int:
    """Order the verdicts from what holds to what was not run."""
    kinds = ("holds", "open", "fails", "plain")
    return kinds.index(label_of(report)) if report.evidence.cells else len(kinds)


def _card(report: ClaimReport) -> str:
    stems = report.stems()
    folder = quote(report.evidence.sweep.rpartition("/")[0])
    picture = ""
    if stems:
        alt = escape(f"{report.label} {report.findings.forms[0].alt}".strip(), quote=True)
        source = f"{folder}/{quote(stems[0])}.png" if folder else f"{quote(stems[0])}.png"
        picture = f'<img loading="lazy" src="{source}" alt="{alt}">'
    reduced = f' <span class="label open">{escape(report.label)}</span>' if report.label else ""
    return (
        f'<article class="card"><h3><a href="{_link(report)}">{escape(report.evidence.sweep)}</a></h3>'
        f"{picture}"
        f"<p>{escape(report.claim.title)}</p><p>{verdict_label(report)}{reduced}</p>"
        f'<p class="note">{escape(report.counts)}</p></article>'
    )


def _link(report: ClaimReport) -> str:
    return f"{quote(report.evidence.sweep)}.html"
