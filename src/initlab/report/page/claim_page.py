"""The page of one claim."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from initlab.report.claim_report import REDUCED, ClaimReport
from initlab.report.page.html import figure_html, table_html
from initlab.report.page.parts import labels, left_out, section, whole_page
from initlab.report.verdict import Outcome, overall

CLASSES: dict[Outcome, str] = {"holds": "holds", "does not hold": "fails", "undecided": "open"}
SIGNS: dict[str, str] = {"holds": "✓ ", "fails": "✗ ", "open": "? ", "plain": ""}


def claim_page(report: ClaimReport, figures: Sequence[bytes], index: bool = False) -> str:
    """Return the page of a claim as HTML.

    Args:
        report: what to show.
        figures: as SVG, in the order of its forms.
        index: whether there is an index of all to lead to.
    """
    claim, evidence = report.claim, report.evidence
    sections = [section("Verdict", _verdicts(report))] if report.findings.verdicts else []
    for place, (svg, (form, tables)) in enumerate(zip(figures, report.tables, strict=True)):
        caption = f"{report.label.capitalize()}. " if report.label else ""
        caption += report.counts.capitalize() + "."
        inside = figure_html(svg, f"{report.label} {form.alt}".strip(), caption, f"f{place}")
        inside += "".join(table_html(table, f"t{place}-{i}") for i, table in enumerate(tables))
        sections.append(section(form.title, inside))
    reduced = f'<p class="reduced" role="note"><strong>{escape(REDUCED)}</strong></p>' if report.label else ""
    statement = f'<p class="lead">{escape(claim.statement)}</p>' if claim.statement else ""
    head = (
        f'<h1>{escape(claim.title)}</h1><p class="paper">{escape(claim.paper)}</p>'
        f"{_labels(report)}{reduced}{statement}"
    )
    return whole_page(evidence, head, [*sections, *left_out(report.told)], index)


def label_of(report: ClaimReport) -> str:
    """Return the class of the report's verdict."""
    return CLASSES.get(overall(report.findings.verdicts), "plain") if report.findings.verdicts else "plain"


def verdict_label(report: ClaimReport) -> str:
    """Return the verdict as a label; a sign says it beside the colour."""
    kind = label_of(report)
    return f'<span class="label {kind}">{SIGNS[kind]}{escape(report.verdict)}</span>'


def _labels(report: ClaimReport) -> str:
    found = [verdict_label(report), f'<span class="label plain">{escape(report.counts)}</span>']
    if report.label:
        found.append(f'<span class="label open">{escape(report.label)}</span>')
    return labels(found)


def _verdicts(report: ClaimReport) -> str:
    label = f" ({report.label})" if report.label else ""
    return f"<p>{escape(report.verdict.capitalize() + label)}.</p>" + table_html(
        report.verdict_table, "verdicts"
    )
