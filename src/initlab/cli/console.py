"""Printing: with colours and the terminal's width to a person, plain and uncut to a file or a pipe."""

from __future__ import annotations

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table

UNCUT = 10_000


def print_(*parts: RenderableType) -> None:
    """Print to stdout."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=UNCUT)
    console.print(*parts, sep="\n", soft_wrap=False)


def new_table(*columns: str, right: frozenset[str] = frozenset(), title: str | None = None) -> Table:
    """Return a table with these columns; those in ``right`` hold numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table
