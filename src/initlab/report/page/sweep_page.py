"""The page of a sweep that is of no claim."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from initlab.report.page.html import figure_html, table_html
from initlab.report.page.parts import labels, left_out, section, whole_page
from initlab.report.provenance import counts, settings
from initlab.report.sweep_report import SweepReport


def sweep_page(report: SweepReport, figures: Sequence[bytes], index: bool = False) -> str:
    """Return the page of a sweep as HTML.

    Args:
        report: what to show.
        figures: as SVG, in their order.
        index: whether there is an index of all to lead to.
    """
    evidence = report.evidence
    told, shared = counts(evidence), settings(evidence)
    drawn = [
        figure_html(svg, alt, told.capitalize() + ".", f"f{index}")
        for index, (svg, alt) in enumerate(zip(figures, report.alts, strict=True))
    ]
    drawn += [table_html(table, f"t{index}") for index, table in enumerate(report.tables)]
    head = f"<h1>{escape(evidence.sweep)}</h1>"
    head += labels([f'<span class="label plain">{escape(told)}</span>'])
    head += f'<p class="lead">{escape(shared)}</p>' if shared else ""
    sections = [section("Results", "".join(drawn))] if drawn else []
    return whole_page(evidence, head, [*sections, *left_out(report.told)], index)
