"""A table that is written once, such as the rows of a diagnostic."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from initlab.results.atomic import write_text


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows under a header; a float with all its digits, None as nothing.

    Columns are those of all rows, in the order in which they come up.

    Raises:
        OutputError: it could not be written.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)  # csv writes None as nothing
    write_text(path, buffer.getvalue())
