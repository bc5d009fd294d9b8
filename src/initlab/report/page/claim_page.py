"""The page of one claim."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from initlab.report.claim_report import REDUCED, ClaimReport
from initlab.report.page import runs
from initlab.report.page.html import document, figure_html, json_element, packed_element, table_html
from initlab.report.verdict import Outcome, overall

CLASSES: dict[Outcome, str] = {"holds": "holds", "does not hold": "fails", "undecided": "open"}
SIGNS: dict[str, str] = {"holds": "✓ ", "fails": "✗ ", "open": "? ", "plain": ""}


def claim_page(report: ClaimReport, figures: Sequence[bytes]) -> str:
    """Return the page of a claim as HTML.

    Args:
        report: what to show.
        figures: as SVG, in the order of its forms.
    """
    claim, evidence = report.claim, report.evidence
    parts = [_section("Verdict", _verdicts(report))] if report.findings.verdicts else []
    for index, (svg, (form, tables)) in enumerate(zip(figures, report.tables, strict=True)):
        caption = f"{report.label.capitalize()}. " if report.label else ""
        caption += report.counts.capitalize() + "."
        inside = figure_html(svg, f"{report.label} {form.alt}".strip(), caption, f"f{index}")
        inside += "".join(table_html(table, f"t{index}-{i}") for i, table in enumerate(tables))
        parts.append(_section(form.title, inside))
    if told := _left_out(report):
        parts.append(_section("Left out, and what a reader must know", told))
    data = ""
    if evidence.cells:
        note = "Choose a run to see its curves, in grey those that differ in the seed alone."
        script = "<noscript><p>The list of runs needs JavaScript; the tables above do not.</p></noscript>"
        parts.append(_section("Every run", f'<p class="note">{note}</p>{script}<div id="runs"></div>'))
        data = json_element("runs-data", runs.rows(evidence)) + packed_element(
            "curves-data", runs.curves(evidence)
        )
    if report.provenance:
        facts = "".join(
            f"<dt>{escape(name)}</dt><dd>{_words(name, words)}</dd>" for name, words in report.provenance
        )
        parts.append(_section("How it was run", f'<dl class="facts">{facts}</dl>'))
    up = "../" * evidence.sweep.count("/")
    reduced = f'<p class="reduced" role="note"><strong>{escape(REDUCED)}</strong></p>' if report.label else ""
    statement = f'<p class="lead">{escape(claim.statement)}</p>' if claim.statement else ""
    header = (
        f'<header><nav aria-label="Pages"><a href="{up}index.html">All claims</a> · '
        f"{escape(evidence.sweep)}</nav>"
        f'<h1>{escape(claim.title)}</h1><p class="paper">{escape(claim.paper)}</p>'
        f'<ul class="labels">{_labels(report)}</ul>{reduced}{statement}</header>'
    )
    footer = "<footer><p>Drawn by initlab from results and published numbers alone.</p></footer>"
    body = f'{header}\n<main id="main">\n{"".join(parts)}</main>\n{footer}'
    return document(f"{evidence.sweep} · initlab", body, data)


def label_of(report: ClaimReport) -> str:
    """Return the class of the report's verdict."""
    return CLASSES.get(overall(report.findings.verdicts), "plain") if report.findings.verdicts else "plain"


def verdict_label(report: ClaimReport) -> str:
    """Return the verdict as a label; a sign says it beside the colour."""
    kind = label_of(report)
    return f'<span class="label {kind}">{SIGNS[kind]}{escape(report.verdict)}</span>'


def _labels(report: ClaimReport) -> str:
    labels = [verdict_label(report), f'<span class="label plain">{escape(report.counts)}</span>']
    if report.label:
        labels.append(f'<span class="label open">{escape(report.label)}</span>')
    return "".join(f"<li>{label}</li>" for label in labels)


def _verdicts(report: ClaimReport) -> str:
    label = f" ({report.label})" if report.label else ""
    return f"<p>{escape(report.verdict.capitalize() + label)}.</p>" + table_html(
        report.verdict_table, "verdicts"
    )


def _left_out(report: ClaimReport) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in report.told)
    return f'<ul class="left-out">{items}</ul>' if items else ""


def _section(title: str, inside: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{inside}</section>\n"


def _words(name: str, words: str) -> str:
    return f"<code>{escape(words)}</code>" if name == "command" else escape(words)
