"""The metrics of a run over time: ``metrics.csv``, a row per epoch."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from initlab.results.atomic import OutputError, write_text

Cell = float | int | str | None


class MetricsCsv:
    """A table on disk that grows by rows and, where a metric is new, by columns.

    A row is appended in one write. A process killed within that write leaves a line without an end, which
    is dropped by the next reader or writer.

    Args:
        path: of the file, which need not be there yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        # Size and columns of the file when it last ended in a whole row, so that not every row reads it.
        self._known: tuple[int, list[str]] | None = None

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one row; a column that is new is added to the header, and empty in the rows before.

        Raises:
            OutputError: it could not be written.
        """
        columns = self._columns()
        if columns is None or any(name not in columns for name in row):
            old, rows, _ = self._read()
            self._rewrite([*old, *(name for name in row if name not in old)], [*rows, row])
            return
        try:
            with open(self.path, "a", encoding="utf-8", newline="") as file:
                file.write(_line([row.get(name) for name in columns]))
            self._known = (self.path.stat().st_size, columns)
        except OSError as error:
            raise OutputError.of(self.path, error) from error

    def truncate(self, epoch: int) -> None:
        """Drop the rows of this epoch and later ones, which a resumed run writes anew.

        Rows without an ``epoch`` stay.

        Raises:
            OutputError: it could not be written.
        """
        columns, rows, _ = self._read()
        if columns:
            self._rewrite(columns, [row for row in rows if row.get("epoch") is None or row["epoch"] < epoch])

    def rows(self) -> list[dict[str, Cell]]:
        """Return all rows, with every column in each; empty cells are None, numbers are numbers."""
        return self._read()[1]

    def _columns(self) -> list[str] | None:
        """Return the columns of a file that a row can be appended to, else None; read once, if unchanged."""
        try:
            size = self.path.stat().st_size
        except OSError:
            return None
        if self._known is None or self._known[0] != size:
            columns, _, whole = self._read()
            self._known = (size, columns) if columns and whole else None
        return None if self._known is None else self._known[1]

    def _read(self) -> tuple[list[str], list[dict[str, Any]], bool]:
        """Return columns, rows, and whether the file ended where a row ends."""
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return [], [], True
        end = text.rfind("\n") + 1
        lines = csv.reader(io.StringIO(text[:end], newline=""))
        columns = next(lines, [])
        rows = [
            dict(zip(columns, map(_value, line), strict=False)) for line in lines if len(line) == len(columns)
        ]
        return columns, rows, end == len(text)

    def _rewrite(self, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
        lines = [_line(columns), *(_line([row.get(name) for name in columns]) for row in rows)]
        write_text(self.path, "".join(lines))
        self._known = None


def _line(cells: Sequence[Any]) -> str:
    """Write one line of CSV; a float with all its digits, None as nothing."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow("" if cell is None else cell for cell in cells)
    return buffer.getvalue()


def _value(cell: str) -> Cell:
    """Read one cell: nothing, a whole number, a number, or else text."""
    if not cell:
        return None
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            pass
    return cell
