"""The committed record of a sweep: a manifest that one can read, and all its runs in one compressed file."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from initlab.results.atomic import make_folder, write_bytes, write_text
from initlab.results.metrics_csv import Cell, MetricsCsv
from initlab.results.record import Damaged, RunResult
from initlab.results.run_folder import RunFolder
from initlab.results.store import checked_manifest

Rows = list[dict[str, Cell]]
RUNS = "runs.jsonl.xz"


class Recorded:
    """``<root>/<sweep>/sweep.json`` and ``runs.jsonl.xz``, a line per run in the order of run ids.

    A line holds the run's ``result.json``, less the paths in its config, and its CSV tables, column by
    column: ``metrics`` and those of diagnostics. The same results give the same bytes.

    Args:
        root: ``docs/results``; it need not be there.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def sweeps(self) -> list[str]:
        """Return the names of the recorded sweeps, sorted."""
        return sorted(path.parent.relative_to(self.root).as_posix() for path in self.root.glob(f"**/{RUNS}"))

    def read_sweep(self, name: str) -> dict[str, Any] | None:
        """Return the manifest of a sweep; None where it is not recorded.

        Raises:
            Damaged: it cannot be read.
        """
        path = self.root / name / "sweep.json"
        try:
            return checked_manifest(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, OSError) as error:
            raise Damaged(f"{path} is damaged: {error}") from error

    def read_runs(self, name: str) -> dict[str, tuple[RunResult | Damaged, dict[str, Rows]]]:
        """Return result and tables of each run of a sweep, by run id; nothing where it is not recorded.

        A line that is damaged gives what is wrong in the place of its result.

        Raises:
            Damaged: the file cannot be read.
        """
        path = self.root / name / RUNS
        try:
            lines = lzma.decompress(path.read_bytes()).decode().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (lzma.LZMAError, UnicodeDecodeError, EOFError, OSError) as error:
            raise Damaged(f"{path} is damaged: {error}") from error
        runs: dict[str, tuple[RunResult | Damaged, dict[str, Rows]]] = {}
        for index, line in enumerate(lines, 1):
            try:
                content = json.loads(line)
                result = RunResult.from_json(json.dumps(content["result"]))
                runs[result.run_id] = result, {key: _rows(table) for key, table in content["tables"].items()}
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                runs[f"line {index}"] = Damaged(f"line {index} of {path} is damaged: {error}"), {}
        return runs

    def write(
        self,
        name: str,
        manifest: Mapping[str, Any],
        results: Iterable[RunResult],
        tables: Callable[[str], Mapping[str, Rows]],
    ) -> Path:
        """Write a sweep over any older record of it, and return its folder.

        Args:
            name: of the sweep.
            manifest: of the sweep.
            results: of its runs.
            tables: the CSV tables of a run, by name; see :func:`tables_of`.

        Raises:
            OutputError: it could not be written.
        """
        folder = self.root / name
        make_folder(folder)
        lines = []
        for result in sorted(results, key=lambda result: result.run_id):
            columns = {key: _columns(rows) for key, rows in tables(result.run_id).items()}
            told = json.loads(result.to_json())
            told["config"].pop("paths", None)  # where things lay on one machine
            content = {"result": told, "tables": columns}
            lines.append(json.dumps(content, separators=(",", ":"), allow_nan=False))
        text = "".join(f"{line}\n" for line in lines)
        write_bytes(folder / RUNS, lzma.compress(text.encode(), preset=9))
        head = {key: value for key, value in manifest.items() if key != "cells"}
        cells = ",\n".join(f"  {json.dumps(cell)}" for cell in manifest["cells"])
        body = json.dumps(head, indent=1).removesuffix("\n}")
        write_text(folder / "sweep.json", f'{body},\n "cells": [\n{cells}\n ]\n}}\n')
        return folder


def tables_of(folder: RunFolder) -> dict[str, Rows]:
    """Return the rows of each CSV file of a run, by its name without the ending."""
    return {path.stem: MetricsCsv(path).rows() for path in sorted(folder.path.glob("*.csv"))}


def _columns(rows: Rows) -> dict[str, list[Cell]]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [_plain(row.get(name)) for row in rows] for name in names}


def _plain(cell: Cell) -> Cell:
    """Write what JSON has no number for as a word, which a reader of the CSV file would see too."""
    return str(cell) if isinstance(cell, float) and cell - cell != 0 else cell


def _rows(columns: Mapping[str, list[Cell]]) -> Rows:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
