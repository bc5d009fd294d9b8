"""A table of a report before it is written as Markdown, LaTeX, HTML or to a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from initlab.report.measure import Measure, digits, with_spread
from initlab.report.points import STATUSES, Point, Points
from initlab.report.published import Number
from initlab.report.values import text

NOTHING = "—"


@dataclass(frozen=True)
class Table:
    """Words in columns.

    Args:
        title: of the table.
        columns: names.
        rows: the words of each row.
        words: how many of the first columns hold words and no numbers.
        note: what a reader must know to read it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    note: str = ""


def points_table(points: Points, title: str) -> Table:
    """Return a row per point: its place, the published number, ours, n, and the runs without a number."""
    measure = points.measure
    panels = any(point.panel for point in points.points)
    along = any(point.x is not None for point in points.points)
    left_out = [s for s in STATUSES if s == "diverged" or any(point.count(s) for point in points.points)]
    columns = ["panel"] * panels + ["series"] + [points.x] * along + list(points.best)
    columns += ["published", "ours", "n", *left_out]
    rows = []
    for point in points.points:
        row = [point.panel] * panels + [point.series] + [text(point.x)] * along
        row += [text(point.chosen[key]) if key in point.chosen else NOTHING for key in points.best]
        row += [published(point.published, measure), measure.written(point.values), str(len(point.values))]
        rows.append((*row, *(str(point.count(status)) for status in left_out)))
    note = f"{measure.label}: {measure.what_spread_is} over the n runs that count"
    if measure.diverged is not None:
        note += f"; a run that diverged counts as {digits(measure.shown(measure.diverged))}"
    if points.best:
        chosen = " and ".join(points.best)
        by = points.choose
        worst = "is worse than any" if by.diverged is None else f"counts as {digits(by.shown(by.diverged))}"
        what = by.label.partition(" (")[0]
        note += f"; {chosen}: the best by {by.center} {what}, where a run that diverged {worst}"
    return Table(title, tuple(columns), tuple(rows), panels + 1, note + ".")


def pivot_table(points: Points, title: str) -> Table:
    """Return a row per panel and x, and per series the published number and ours, as a paper has it."""
    measure = points.measure
    columns = [points.x or "row"]
    for series in points.series:
        columns += [f"{series}: published", "ours"]
    rows = []
    for panel in points.panels:
        for x in points.xs:
            here = {p.series: p for p in points.points if p.panel == panel and p.x == x}
            if not here:
                continue
            row = [", ".join(part for part in (panel, "" if x is None else text(x)) if part) or "all"]
            for series in points.series:
                point = here.get(series)
                row += [_published_of(point, measure), _ours(point, measure)]
            rows.append(tuple(row))
    return Table(title, tuple(columns), tuple(rows), 1, f"{measure.label}, {measure.what_spread_is}.")


def _published_of(point: Point | None, measure: Measure) -> str:
    return published(point.published, measure) if point else NOTHING


def _ours(point: Point | None, measure: Measure) -> str:
    return measure.written(point.values) if point else NOTHING


def published(number: Number | None, measure: Measure) -> str:
    """Write a published number in the unit shown; where a picture alone has it, that, and else the words."""
    if number is None:
        return NOTHING
    if number.value is None:
        return "in a picture" if number.source.startswith("picture") else number.source.partition(": ")[2]
    value = measure.shown(number.value)
    return digits(value) if number.spread is None else with_spread(value, measure.factor * number.spread)


def markdown(table: Table) -> str:
    """Write a table as Markdown."""
    aligned = [":---" if index < table.words else "---:" for index in range(len(table.columns))]
    lines = [table.columns, tuple(aligned), *table.rows]
    shown = "\n".join(f"| {' | '.join(map(_markdown_cell, line))} |" for line in lines)
    return f"## {_line(table.title)}\n\n{shown}\n" + (f"\n{table.note}\n" if table.note else "")


def _markdown_cell(cell: str) -> str:
    return _line(cell).replace("|", r"\|").replace("<", "&lt;")


def _line(words: str) -> str:
    return " ".join(words.split())


LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "—": "---",
    "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def latex(table: Table, label: str) -> str:
    """Write a table for LaTeX with the package booktabs."""
    layout = "l" * table.words + "r" * (len(table.columns) - table.words)
    lines = [" & ".join(map(escaped, row)) + r" \\" for row in [table.columns, *table.rows]]
    caption = escaped(f"{table.title.rstrip('.')}. {table.note}".strip())
    body = "\n".join([lines[0], r"\midrule", *lines[1:]])
    return (
        f"\\begin{{table}}\n\\centering\n\\caption{{{caption}}}\n\\label{{tab:{label}}}\n"
        f"\\begin{{tabular}}{{{layout}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n"
    )


def escaped(words: str) -> str:
    """Write words so that LaTeX sets them as they are."""
    return "".join(LATEX.get(character, character) for character in _line(words))


def terminal(tables: Sequence[Table]) -> list[object]:
    """Return the tables for a rich console."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn: list[object] = []
    for table in tables:
        lines = RichTable(box=box.SIMPLE_HEAD, title=Text(table.title), title_justify="left", pad_edge=False)
        for index, column in enumerate(table.columns):
            lines.add_column(Text(column), justify="left" if index < table.words else "right")
        for row in table.rows:
            lines.add_row(*map(Text, row))
        drawn += [lines, Text(table.note, style="dim")]
    return drawn
