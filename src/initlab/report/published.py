"""The published numbers of a claim: ``papers/<paper>/<claim>.csv``."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from initlab.configs_dir import shipped
from initlab.errors import DataError
from initlab.report.values import plain

LAST_COLUMNS = ("metric", "value", "spread", "n", "source")


@dataclass(frozen=True)
class Number:
    """One published number.

    Args:
        axes: where it stands: config keys and their values; keys that the paper leaves open are left out.
        metric: under the name of the results, ``test/acc``.
        value: in the units of the results; None where a picture alone shows it, or words.
        spread: as published, in the same units; None where there is none.
        n: number of runs; None where the paper does not say.
        source: page or table, and how it was read.
    """

    axes: Mapping[str, Any]
    metric: str
    value: float | None
    spread: float | None
    n: int | None
    source: str


@dataclass(frozen=True)
class Published:
    """All numbers of one figure or table, and what its file says about them."""

    numbers: tuple[Number, ...] = ()
    remarks: tuple[str, ...] = ()


def read(claim: str, papers: Path | None = None) -> Published:
    """Read the published numbers of a claim.

    Raises:
        DataError: there is no file, or it is damaged; one sentence says where.
    """
    path = (papers or shipped("papers")) / f"{claim}.csv"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise DataError(f"there are no published numbers of {claim}: {path} is missing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    remarks = tuple(line[1:].strip() for line in lines if line.startswith("#"))
    table = csv.reader(line for line in lines if line.strip() and not line.startswith("#"))
    header = next(table, [])
    if tuple(header[-len(LAST_COLUMNS) :]) != LAST_COLUMNS:
        raise DataError(f"{path}: its columns must end with {', '.join(LAST_COLUMNS)}")
    numbers = []
    for index, row in enumerate(table, 1):
        if len(row) != len(header):
            raise DataError(f"{path}: row {index} has {len(row)} cells and the header {len(header)}")
        content = {key: cell.strip() for key, cell in zip(header, row, strict=True)}
        axes = {key: plain(content[key]) for key in header[: -len(LAST_COLUMNS)] if content[key]}
        try:
            value, spread = (float(content[key]) if content[key] else None for key in ("value", "spread"))
            n = int(content["n"]) if content["n"] else None
        except ValueError as error:
            raise DataError(f"{path}: row {index}: {error}") from error
        numbers.append(Number(axes, content["metric"], value, spread, n, content["source"]))
    return Published(tuple(numbers), remarks)
