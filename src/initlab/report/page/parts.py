"""Parts that pages have alike."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from initlab.report.evidence import Evidence
from initlab.report.page import runs
from initlab.report.page.html import document, json_element, packed_element
from initlab.report.provenance import provenance


def whole_page(evidence: Evidence, head: str, sections: Sequence[str], index: bool) -> str:
    """Return the page of a sweep as HTML: what is given, then its runs and how it was run.

    Args:
        evidence: the sweep and its results.
        head: what stands under the way up, as HTML.
        sections: what comes before the runs.
        index: whether there is an index of all to lead to.
    """
    parts, data = list(sections), ""
    if evidence.cells:
        note = "Choose a run to see its curves, in grey those that differ in the seed alone."
        script = "<noscript><p>The list of runs needs JavaScript; the tables above do not.</p></noscript>"
        parts.append(section("Every run", f'<p class="note">{note}</p>{script}<div id="runs"></div>'))
        data = json_element("runs-data", runs.rows(evidence)) + packed_element(
            "curves-data", runs.curves(evidence)
        )
    if facts := provenance(evidence):
        lines = "".join(f"<dt>{escape(name)}</dt><dd>{_words(name, words)}</dd>" for name, words in facts)
        parts.append(section("How it was run", f'<dl class="facts">{lines}</dl>'))
    up = "../" * evidence.sweep.count("/")
    link = f'<a href="{up}index.html">All claims</a> · ' if index else ""
    nav = f'<nav aria-label="Pages">{link}{escape(evidence.sweep)}</nav>'
    footer = "<footer><p>Drawn by initlab from results and published numbers alone.</p></footer>"
    body = f'<header>{nav}{head}</header>\n<main id="main">\n{"".join(parts)}</main>\n{footer}'
    return document(f"{evidence.sweep} · initlab", body, data)


def section(title: str, inside: str) -> str:
    """Return a section under a heading."""
    return f"<section><h2>{escape(title)}</h2>{inside}</section>\n"


def left_out(told: Sequence[str]) -> list[str]:
    """Return the section on what a reader must know; nothing where there is nothing."""
    items = "".join(f"<li>{escape(note)}</li>" for note in told)
    title = "Left out, and what a reader must know"
    return [section(title, f'<ul class="left-out">{items}</ul>')] if items else []


def labels(labels: Sequence[str]) -> str:
    """Return a list of labels, each as HTML."""
    return f'<ul class="labels">{"".join(f"<li>{label}</li>" for label in labels)}</ul>'


def _words(name: str, words: str) -> str:
    return f"<code>{escape(words)}</code>" if name == "command" else escape(words)
