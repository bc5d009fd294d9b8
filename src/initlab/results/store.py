"""All runs and sweeps under one output folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from initlab.errors import InitlabError
from initlab.results.atomic import make_folder, write_text
from initlab.results.record import Damaged, RunResult
from initlab.results.run_folder import RunFolder

SWEEP_SCHEMA_VERSION = 1
MISSING = "missing"


class NotFound(InitlabError):
    """No run or sweep answers to that name, or more than one."""


class Store:
    """Reads the results of runs, and reads and writes the manifests of sweeps.

    Args:
        output_dir: the folder of all runs and sweeps, ``paths.output_dir``; it need not be there.
    """

    def __init__(self, output_dir: str | Path) -> None:
        self.output_dir = Path(output_dir)

    def __repr__(self) -> str:
        return f"Store({str(self.output_dir)!r})"

    def folder(self, run_id: str) -> RunFolder:
        """Return the folder of a run, which need not be there."""
        return RunFolder(self.output_dir, run_id)

    def run_ids(self) -> list[str]:
        """Return the ids of all runs that have a folder, sorted."""
        try:
            with os.scandir(self.output_dir / "runs") as entries:
                return sorted(entry.name for entry in entries if entry.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def results(self) -> list[RunResult]:
        """Return every good result, in the order of run ids."""
        return [result for _, result in self._read(self.run_ids()) if isinstance(result, RunResult)]

    def damaged(self) -> list[tuple[Path, str]]:
        """Return the path of every result that cannot be read, with the reason."""
        return [
            (self.folder(run_id).result_path, str(result))
            for run_id, result in self._read(self.run_ids())
            if isinstance(result, Damaged)
        ]

    def unfinished(self) -> list[str]:
        """Return the ids of the runs with a folder and no result: still running, or killed at once."""
        return [run_id for run_id, result in self._read(self.run_ids()) if result is None]

    def read(self, run_ids: Iterable[str]) -> dict[str, RunResult | Damaged | None]:
        """Return what each run has left, in the order asked for: its result, what damaged it, or None."""
        return dict(self._read(run_ids))

    def get(self, run_ids: Iterable[str]) -> dict[str, RunResult]:
        """Return the good results among these runs, in the order asked for."""
        return {run_id: result for run_id, result in self._read(run_ids) if isinstance(result, RunResult)}

    def find(self, prefix: str) -> RunResult:
        """Return the result of the one run whose id starts with ``prefix``.

        Raises:
            NotFound: there is none, more than one, or it has left no result.
            Damaged: its result is damaged.
        """
        run_id = self.find_id(prefix)
        result = self.folder(run_id).read_result()
        if result is None:
            raise NotFound(f"run {run_id} has no result: it is still running, or was killed")
        return result

    def find_id(self, prefix: str) -> str:
        """Return the id of the one run, with a result or without, that starts with ``prefix``.

        Raises:
            NotFound: there is none, or more than one.
        """
        matches = [run_id for run_id in self.run_ids() if run_id.startswith(prefix)]
        if not prefix or not matches:
            raise NotFound(f"there is no run {prefix!r} in {self.output_dir}; `list` names the runs")
        if len(matches) > 1 and prefix not in matches:
            shown = ", ".join(matches[:4]) + (", ..." if len(matches) > 4 else "")
            raise NotFound(f"{len(matches)} runs start with {prefix!r}: {shown}")
        return prefix if prefix in matches else matches[0]

    def states(self, run_ids: Iterable[str]) -> dict[str, str]:
        """Return the status of each run, or ``missing`` where it has no result that can be read."""
        return {
            run_id: result.status if isinstance(result, RunResult) else MISSING
            for run_id, result in self._read(run_ids)
        }

    def sweep_path(self, name: str) -> Path:
        """``sweeps/<name>/sweep.json``; a name may have parts, as ``arpit2019/fig4``.

        Raises:
            InitlabError: the name leads out of the folder.
        """
        parts = PurePosixPath(name).parts
        if not parts or any(part in ("/", "..", "sweep.json") or "\\" in part for part in parts):
            raise InitlabError(f"{name!r} is no name for a sweep: use words, parted by / where needed")
        return self.output_dir.joinpath("sweeps", *parts, "sweep.json")

    def write_sweep(self, name: str, manifest: Mapping[str, Any]) -> Path:
        """Write the plan of a sweep over any older one of that name, and return its path.

        Args:
            name: of the sweep.
            manifest: ``cells``, a list of ``{"run_id", "overrides": {key: value}}``, and where known
                ``experiment``, ``command`` and ``created``; other keys are kept as they are.

        Raises:
            OutputError: it could not be written.
            ValueError: the manifest has no cells.
        """
        content = {
            "schema_version": SWEEP_SCHEMA_VERSION,
            "name": name,
            "experiment": None,
            "command": "",
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            **manifest,
        }
        path = self.sweep_path(name)
        _check(content)
        make_folder(path.parent)
        write_text(path, json.dumps(content, indent=1) + "\n")
        return path

    def read_sweep(self, name: str) -> dict[str, Any]:
        """Return the manifest of a sweep.

        Raises:
            NotFound: there is no sweep of that name; the sentence names the nearest one.
            Damaged: the manifest is damaged or of a newer schema.
        """
        path = self.sweep_path(name)
        try:
            return checked_manifest(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._no_sweep(name) from error
        except (ValueError, OSError) as error:
            raise Damaged(f"{path} is damaged: {error}") from error

    def sweeps(self) -> list[str]:
        """Return the names of all sweeps, sorted."""
        root = self.output_dir / "sweeps"
        return sorted(path.parent.relative_to(root).as_posix() for path in root.glob("**/sweep.json"))

    def sweeps_of(self, name: str) -> list[str]:
        """Return the sweep of that name, or else all sweeps of the experiment of that name.

        Raises:
            NotFound: there is neither; the sentence names the nearest sweep.
        """
        names = self.sweeps()
        if name in names:
            return [name]
        of_experiment = [sweep for sweep in names if self.read_sweep(sweep).get("experiment") == name]
        if not of_experiment:
            raise self._no_sweep(name)
        return of_experiment

    def _read(self, run_ids: Iterable[str]) -> Iterable[tuple[str, RunResult | Damaged | None]]:
        for run_id in run_ids:
            try:
                yield run_id, self.folder(run_id).read_result()
            except Damaged as error:
                yield run_id, error

    def _no_sweep(self, name: str) -> NotFound:
        names = self.sweeps()
        near = get_close_matches(name, names, 1, 0.4)
        if not names:
            hint = ", which holds no sweep yet"
        else:
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(names[:5])}"
        return NotFound(f"there is no sweep {name!r} in {self.output_dir}{hint}")


def checked_manifest(text: str) -> dict[str, Any]:
    """Read the text of a ``sweep.json``.

    Raises:
        ValueError: it is not the manifest of a sweep, or of a newer schema.
    """
    content = json.loads(text)
    _check(content)
    manifest: dict[str, Any] = content
    return manifest


def _check(content: Any) -> None:
    """Refuse, with a ValueError, what is not the manifest of a sweep."""
    if not isinstance(content, dict):
        raise ValueError("it holds no manifest")
    version = content.get("schema_version")
    if not isinstance(version, int) or version > SWEEP_SCHEMA_VERSION:
        raise ValueError(f"it has schema {version} and this initlab reads up to {SWEEP_SCHEMA_VERSION}")
    cells = content.get("cells")
    if not isinstance(cells, list):
        raise ValueError("it has no cells")
    for cell in cells:
        if (
            not isinstance(cell, dict)
            or not isinstance(cell.get("run_id"), str)
            or not isinstance(cell.get("overrides"), dict)
        ):
            raise ValueError("a cell has no run_id or no overrides")
