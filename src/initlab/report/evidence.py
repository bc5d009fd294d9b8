"""What is known of a sweep: its cells with their results, and the published numbers where it is of a claim.

Results come from the output folder and from the record in the repository. What cannot be used is left out,
and a note says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from initlab.errors import DataError, InitlabError
from initlab.report.published import Published
from initlab.report.published import read as read_published
from initlab.report.values import look_up, number, plain
from initlab.results.identity import NUMBERS_VERSION, numbers_version
from initlab.results.record import Damaged, RunResult
from initlab.results.recorded import Recorded, Rows, tables_of
from initlab.results.store import MISSING, NotFound, Store

REDUCED = "-laptop"
MOST_NAMED = 3  # of the things that a note counts


@dataclass(frozen=True)
class Cell:
    """One cell of a sweep.

    Args:
        run_id: of its folder.
        axes: the overrides that the sweep varies.
        result: None where there is none that can be used.
        usual: what all cells with a result share, for keys that neither axes nor a result tell.
    """

    run_id: str
    axes: Mapping[str, Any]
    result: RunResult | None = None
    usual: Mapping[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """Of the result, or ``missing``."""
        return self.result.status if self.result else MISSING

    def value(self, key: str) -> Any:
        """Return the value of a config key, numbers as numbers; None where nothing tells it."""
        value = self.axes.get(key)
        if value is None:
            value = look_up(self.result.config if self.result else self.usual, key)
        return plain(value)

    def metric(self, *names: str) -> float | None:
        """Return the first of these metrics that has a value."""
        metrics = self.result.metrics if self.result else {}
        return next((value for name in names if (value := metrics.get(name)) is not None), None)


@dataclass(frozen=True)
class Evidence:
    """A sweep, or what is there of it.

    Args:
        claim: ``arpit2019/fig4``; nothing where the sweep is of none.
        sweep: its name: that of the claim, with an ending where it is reduced or varied.
        cells: of the sweep, in its order; none where it has not run.
        published: numbers of the paper.
        notes: a sentence for each thing that was left out or that a reader must know.
        command: that ran the sweep.
        reduced: whether the sweep is not of the paper's size.
        origin: where the results are from, in words.
        tables: the CSV tables of a run, by name, read when asked for.
        manifest: of the sweep.
    """

    claim: str
    sweep: str
    cells: tuple[Cell, ...] = ()
    published: Published = field(default_factory=Published)
    notes: tuple[str, ...] = ()
    command: str = ""
    reduced: bool = False
    origin: str = ""
    tables: Callable[[str], Mapping[str, Rows]] = lambda run_id: {}
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def results(self) -> list[RunResult]:
        """The results that are there, in the order of the sweep."""
        return [cell.result for cell in self.cells if cell.result]

    def count(self, status: str) -> int:
        """Return the number of cells with this status."""
        return sum(cell.status == status for cell in self.cells)

    def stems(self, number: int) -> list[str]:
        """Name the files of so many figures: after the sweep, numbered where there are several."""
        name = self.sweep.rpartition("/")[2]
        return [name] if number == 1 else [f"{name}-{index}" for index in range(1, number + 1)]


def gather(
    sweep: str, claim: str, store: Store, recorded: Recorded | None = None, papers: Path | None = None
) -> Evidence:
    """Read all that is known of a sweep; nothing that is damaged or missing stops it.

    Args:
        sweep: its name.
        claim: that it is of, or nothing.
        store: of the output folder.
        recorded: the results in the repository; None leaves them out.
        papers: folder of the published numbers; None for the project's.
    """
    notes: list[str] = []
    try:
        published = read_published(claim, papers) if claim else Published()
    except DataError as error:
        published = Published()
        notes.append(f"Left out: the published numbers. {error}.")
    ours = _outputs(sweep, store, notes)
    theirs = _record(sweep, recorded, notes) if recorded else None
    chosen = _choose(ours, theirs)
    reduced = sweep.endswith(REDUCED)
    if chosen is None:
        return Evidence(claim, sweep, published=published, notes=tuple(notes), reduced=reduced)
    manifest = chosen.manifest
    results, origin = _merge(manifest, ours, theirs, notes)
    cells = _cells(manifest, results, notes)
    if len(codes := {cell.result.git.get("diff") for cell in cells if cell.result}) > 1:
        notes.append(
            f"Between these runs the code was changed without a commit, to {len(codes)} states in all: "
            "`sweep.retry=ok` runs all anew."
        )
    recorded_tables = theirs.tables if theirs else {}

    def tables(run_id: str) -> Mapping[str, Rows]:
        if run_id in recorded_tables and not store.folder(run_id).result_path.exists():
            return recorded_tables[run_id]
        return tables_of(store.folder(run_id))

    return Evidence(
        claim=claim,
        sweep=sweep,
        cells=cells,
        published=published,
        notes=tuple(notes),
        command=str(manifest.get("command") or ""),
        reduced=str(manifest.get("scale") or ("laptop" if reduced else "full")) != "full",
        origin=origin,
        tables=tables,
        manifest=manifest,
    )


@dataclass(frozen=True)
class _Place:
    """A manifest and the results of its cells at one place."""

    manifest: Mapping[str, Any]
    results: Mapping[str, RunResult]
    tables: Mapping[str, Mapping[str, Rows]] = field(default_factory=dict)

    @property
    def finished(self) -> int:
        """The number of its cells that have a result."""
        return sum(cell["run_id"] in self.results for cell in self.manifest["cells"])


def _outputs(sweep: str, store: Store, notes: list[str]) -> _Place | None:
    try:
        manifest = store.read_sweep(sweep)
    except NotFound:
        return None
    except InitlabError as error:
        notes.append(f"Left out: the sweep. {error}.")
        return None
    results, damaged = {}, []
    for run_id in dict.fromkeys(cell["run_id"] for cell in manifest["cells"]):
        try:
            result = store.folder(run_id).read_result()
        except Damaged as error:
            damaged.append(str(error))
        else:
            if result is not None:
                results[run_id] = result
    _note_damaged(damaged, notes)
    return _Place(manifest, results)


def _record(sweep: str, recorded: Recorded, notes: list[str]) -> _Place | None:
    try:
        manifest = recorded.read_sweep(sweep)
        runs = recorded.read_runs(sweep) if manifest else {}
    except Damaged as error:
        notes.append(f"Left out: the record of the sweep. {error}.")
        return None
    if manifest is None:
        return None
    _note_damaged([str(result) for result, _ in runs.values() if isinstance(result, Damaged)], notes)
    results = {run_id: result for run_id, (result, _) in runs.items() if isinstance(result, RunResult)}
    return _Place(manifest, results, {run_id: tables for run_id, (_, tables) in runs.items()})


def _choose(ours: _Place | None, theirs: _Place | None) -> _Place | None:
    """Take the output folder's sweep where it is whole or holds as many results as the record."""
    if ours is None or theirs is None:
        return ours or theirs
    whole = ours.finished == len(ours.manifest["cells"]) > 0
    return ours if whole or ours.finished >= theirs.finished else theirs


def _merge(
    manifest: Mapping[str, Any], ours: _Place | None, theirs: _Place | None, notes: list[str]
) -> tuple[dict[str, RunResult], str]:
    """Return the results of the manifest's cells, the output folder's before the record's, and say whose."""
    run_ids = dict.fromkeys(cell["run_id"] for cell in manifest["cells"])
    here, there = (place.results if place else {} for place in (ours, theirs))
    unlike = [
        run_id
        for run_id in run_ids
        if run_id in here and run_id in there and here[run_id].metrics != there[run_id].metrics
    ]
    if unlike:
        notes.append(
            f"Two results for one cell: {_named(unlike)} have other numbers in the output folder than in the "
            "record; those of the output folder are shown."
        )
    results = {run_id: result for run_id in run_ids if (result := here.get(run_id) or there.get(run_id))}
    fresh = sum(run_id in here for run_id in results)
    parts = [f"{fresh} from the output folder"] if fresh else []
    parts += [f"{len(results) - fresh} from the record in docs/results"] if len(results) > fresh else []
    return results, " and ".join(parts)


def _cells(manifest: Mapping[str, Any], results: dict[str, RunResult], notes: list[str]) -> tuple[Cell, ...]:
    _leave_out_other_versions(results, notes)
    usual = _usual([result.config for result in results.values()])
    cells: dict[str, Cell] = {}
    by_axes: dict[str, str] = {}
    doubled = []
    for planned in manifest["cells"]:
        run_id, axes = planned["run_id"], planned["overrides"]
        cells[run_id] = Cell(run_id, axes, results.get(run_id), usual)
        place = repr(sorted((key, repr(number(value))) for key, value in axes.items()))
        if axes and run_id in results and by_axes.setdefault(place, run_id) != run_id:
            doubled.append(run_id)
    if doubled:
        notes.append(
            f"Two results for one cell: {_named(doubled)} have the overrides of other runs, and another "
            "config; all are shown, and the sweep must say in what they differ."
        )
    return tuple(cells.values())


def _leave_out_other_versions(results: dict[str, RunResult], notes: list[str]) -> None:
    """Keep the newest version of the numbers alone."""
    versions = {run_id: numbers_version(run_id, result.config) for run_id, result in results.items()}
    told = {version for version in versions.values() if version is not None}
    if not told:
        return
    newest = max(told)
    old = [run_id for run_id, version in versions.items() if version is not None and version < newest]
    for run_id in old:
        del results[run_id]
    if old:
        notes.append(
            f"Left out: {_named(old)}, made under an older version of the numbers than {newest} "
            "(see CHANGELOG.md under Numbers)."
        )
    if newest < NUMBERS_VERSION:
        notes.append(
            f"All results have version {newest} of the numbers, and the code has {NUMBERS_VERSION}: "
            "run the sweep again to see what changed (CHANGELOG.md under Numbers)."
        )


def _usual(configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what all configs have alike, at the top level and one below."""
    if not configs:
        return {}
    first, shared = configs[0], {}
    for key, value in first.items():
        values = [config.get(key) for config in configs]
        if all(other == value for other in values):
            shared[key] = value
            continue
        groups = [group for group in values if isinstance(group, Mapping)]
        if isinstance(value, Mapping) and len(groups) == len(values):
            shared[key] = {
                name: item for name, item in value.items() if all(group.get(name) == item for group in groups)
            }
    return shared


def _note_damaged(damaged: Sequence[str], notes: list[str]) -> None:
    notes.extend(f"Left out: {reason}." for reason in damaged[:MOST_NAMED])
    if len(damaged) > MOST_NAMED:
        notes.append(f"Left out: {len(damaged) - MOST_NAMED} more results that are damaged.")


def _named(run_ids: Sequence[str]) -> str:
    more = f" and {len(run_ids) - MOST_NAMED} more" if len(run_ids) > MOST_NAMED else ""
    return f"{len(run_ids)} run{'s' * (len(run_ids) > 1)} ({', '.join(run_ids[:MOST_NAMED])}{more})"
