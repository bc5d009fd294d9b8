"""Printing: with colours and the terminal's width to a person, plain and uncut to a file or a pipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

UNCUT = 10_000
MANY = 500


@dataclass(frozen=True)
class Rows:
    """Many lines of plain words; a rich table lays out 20,000 of them in a quarter of a minute.

    Args:
        header: names of the columns.
        right: the names of those that hold numbers.
        styles: colour of a word, wherever it stands alone in a cell.
        rows: the words.
    """

    header: Sequence[str]
    right: frozenset[str]
    styles: Mapping[str, str]
    rows: list[list[str]] = field(default_factory=list)

    def plain(self) -> str:
        """Align the columns by spaces."""
        lines = [list(self.header), *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        layout = "   ".join(
            f"{{:{'>' if name in self.right else '<'}{width}}}"
            for name, width in zip(self.header, widths, strict=True)
        )
        return "\n".join(layout.format(*line).rstrip() for line in lines)

    def table(self) -> Table:
        """Lay the columns out for a terminal."""
        table = new_table(*self.header, right=self.right)
        for row in self.rows:
            table.add_row(*(Text(word, style=self.styles.get(word, "")) for word in row))
        return table


def print_(content: RenderableType | Rows) -> None:
    """Print to stdout."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=UNCUT)
    if not isinstance(content, Rows):
        console.print(content)
    elif console.is_terminal and len(content.rows) <= MANY:
        console.print(content.table())
    else:
        print(content.plain())


def new_table(*columns: str, right: frozenset[str] = frozenset()) -> Table:
    """Return a table with these columns; those in ``right`` hold numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table
