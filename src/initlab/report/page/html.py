"""HTML from words that anybody may have written: every one is escaped, and none can leave its place."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from initlab.report.form.base import GREY, INK, PAPER
from initlab.report.table import Table

OUTCOMES = {"holds": "holds", "does not hold": "fails"}
HERE = Path(__file__).parent
# Colours of a figure that follow the page into the dark.
FOLLOWING = {INK: "ink", GREY: "muted", "#e6e6e6": "grid", PAPER: "paper", "#000000": "ink"}


def document(title: str, body: str, data: str = "") -> str:
    """Return a whole page; it asks for nothing outside itself, and no script but ours runs in it.

    Args:
        title: of the window, in words.
        body: as HTML.
        data: script elements that hold data, as HTML.
    """
    script, style = asset("page.js"), asset("page.css")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data: 'self'; script-src 'sha256-{digest}'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f'<a class="skip" href="#main">Skip to the content</a>\n{body}\n{data}\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


@cache
def asset(name: str) -> str:
    """Return the text of a file beside this one."""
    return (HERE / name).read_text(encoding="utf-8")


def json_element(identity: str, content: Any) -> str:
    """Return data as a script element that no string in it can end."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f'<script type="application/json" id="{identity}">{text}</script>'


def packed_element(identity: str, content: Any) -> str:
    """Return data that is read late, if at all, deflated and in base64."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    packed = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    return f'<script type="text/plain" id="{identity}">{packed}</script>'


def table_html(table: Table, identity: str) -> str:
    """Return a table with a caption, headers with a scope, and room for the buttons that sort and filter."""
    head = "".join(
        f'<th scope="col"{_kind(table, i)}>{escape(name)}</th>' for i, name in enumerate(table.columns)
    )
    rows = []
    for row in table.rows:
        cells = [f'<th scope="row">{escape(row[0])}</th>']
        cells += [f"<td{_kind(table, i, cell)}>{escape(cell)}</td>" for i, cell in enumerate(row[1:], 1)]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-labelledby="{identity}"><table class="data">'
        f'<caption id="{identity}">{escape(table.title)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{note}"
    )


def _kind(table: Table, index: int, cell: str = "") -> str:
    kind = OUTCOMES.get(cell, "") if index < table.words else "number"
    return f' class="{kind}"' if kind else ""


def figure_html(svg: bytes, alt: str, caption: str, identity: str) -> str:
    """Return a figure of matplotlib within the page, in the page's colours."""
    text = svg.decode()
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text[text.index("<svg") :], count=1, flags=re.DOTALL)
    opening, _, rest = text.partition(">")
    box = re.search(r'viewBox="([\d. ]+)"', opening)
    assert box is not None
    width = box[1].split()[2]
    rest = re.sub(r'\bid="', f'id="{identity}-', rest)
    rest = re.sub(r"url\(#", f"url(#{identity}-", rest)
    rest = re.sub(r'xlink:href="#', f'href="#{identity}-', rest)
    for colour, name in FOLLOWING.items():
        rest = re.sub(rf"\b(fill|stroke): {colour}\b", rf"\1: var(--{name})", rest)
    drawn = (
        f'<svg viewBox="{box[1]}" style="min-width: min({width}px, 34rem)" role="img" '
        f'aria-labelledby="{identity}-alt">'
        f'<title id="{identity}-alt">{escape(alt)}</title>{rest}'
    )
    return (
        f'<figure><div class="scroll" tabindex="0" role="region" aria-label="Figure">{drawn}</div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
