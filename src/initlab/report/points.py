"""The places of a figure: panel, series and x, each with our runs there and the published number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from initlab.report.defaults import is_default
from initlab.report.evidence import Cell, Evidence
from initlab.report.measure import VALIDATION, Measure
from initlab.report.published import Number
from initlab.report.values import label, text

SERIES = ("init", "init.directions", "init.distribution", "norm", "norm.position")
STATUSES = ("diverged", "crashed", "killed", "refused", "missing")
Keys = str | Sequence[str]


@dataclass(frozen=True)
class Point:
    """One place of a figure.

    Args:
        panel: of the figure, in words; empty where there is one.
        series: what is compared, in words.
        x: where it stands along the axis; None where there is none.
        values: of the runs that count, in the unit shown.
        cells: of the sweep at this place, after the choice of the best.
        chosen: what was chosen by validation, as the learning rate.
        published: the paper's numbers here, in the unit shown: middle and spread.
    """

    panel: str
    series: str
    x: Any
    values: tuple[float, ...] = ()
    cells: tuple[Cell, ...] = ()
    chosen: Mapping[str, Any] = field(default_factory=dict)
    published: Number | None = None

    def count(self, status: str) -> int:
        """Return the number of runs with this status."""
        return sum(cell.status == status for cell in self.cells)

    @property
    def seeds(self) -> dict[Any, Cell]:
        """The runs by their seed."""
        return {cell.value("seed"): cell for cell in self.cells}


@dataclass(frozen=True)
class Points:
    """All places of a figure in their order, and what they show.

    Args:
        points: panel by panel, series by series, x rising.
        measure: what is shown.
        x: what the axis is, in words; empty where there is none.
        best: the keys of which the best value was chosen.
        choose: what it was chosen by.
        published: whether the paper has any of these numbers.
    """

    points: tuple[Point, ...]
    measure: Measure
    x: str = ""
    best: tuple[str, ...] = ()
    choose: Measure = VALIDATION

    @property
    def panels(self) -> list[str]:
        """The names of the panels, in their order."""
        return list(dict.fromkeys(point.panel for point in self.points))

    @property
    def series(self) -> list[str]:
        """The names of the series, in their order."""
        return list(dict.fromkeys(point.series for point in self.points))

    @property
    def xs(self) -> list[Any]:
        """The places along the axis, rising."""
        return ordered({repr(point.x): point.x for point in self.points}.values())

    @property
    def has_published(self) -> bool:
        """Whether the paper has a number at any place."""
        return any(point.published and point.published.value is not None for point in self.points)

    def at(self, series: str | None = None, panel: str | None = None, x: Any = None) -> list[Point]:
        """Return the points of a series, a panel, an x, or of all where None."""
        return [
            point
            for point in self.points
            if (series is None or point.series == series)
            and (panel is None or point.panel == panel)
            and (x is None or point.x == x)
        ]


def points(
    evidence: Evidence,
    measure: Measure,
    x: str | None = None,
    series: Keys = SERIES,
    panel: Keys | None = None,
    best: Keys = (),
    where: Callable[[Cell], bool] | None = None,
    choose: Measure | None = None,
    x_label: str | None = None,
) -> Points:
    """Group the cells of a sweep, and the published numbers, by the keys of a figure.

    Args:
        evidence: the sweep and the published numbers.
        measure: what is shown.
        x: the config key along the axis.
        series: the keys that tell the series apart; those that do not vary are left out, and so are settings
            of an init that are at the init's default in every cell.
        panel: the keys that tell the panels apart; None for all axes of the sweep but those named here and
            the seed.
        best: keys, such as ``lr``, of which the value with the best middle of ``choose`` is kept.
        where: which cells take part; all where None.
        choose: what the best is chosen by: validation accuracy, a diverged run as 0.
        x_label: the axis in words; the key where None.
    """
    cells = [cell for cell in evidence.cells if where is None or where(cell)]
    numbers = [n for n in evidence.published.numbers if n.metric in measure.metrics]
    series, best = _keys(series), _keys(best)
    axes = dict.fromkeys(key for cell in cells for key in cell.axes)
    if not cells:
        axes = dict.fromkeys(key for number in numbers for key in number.axes)
    rest = [key for key in axes if key not in (*series, *best, x, "seed")] if panel is None else _keys(panel)
    panel = _varying(rest, cells, numbers)
    series = [key for key in series if key not in panel]
    varying = _varying(series, cells, numbers)
    series = [key for key in varying if not _at_its_default(key, cells, numbers)] or series[:1]
    keys = [*panel, *series, *([x] if x else [])]
    # A number of one place among several that this figure puts together is no number of all of them.
    apart = {
        key for key in _varying([key for n in numbers for key in n.axes], (), numbers) if key not in keys
    }
    numbers = [number for number in numbers if not apart & number.axes.keys()]
    here: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in cells:
        here.setdefault(tuple(cell.value(key) for key in keys), []).append(cell)
    there: dict[tuple[Any, ...], Number] = {}
    for number in numbers:
        # What the paper leaves open, it says of every value.
        told = {index: number.axes[key] for index, key in enumerate(keys) if key in number.axes}
        matches = [at for at in here if all(at[index] == told[index] for index in told)]
        for at in matches or [tuple(number.axes.get(key) for key in keys)]:
            there.setdefault(at, number)
    places = [_Place(keys, len(panel), len(series), values) for values in dict.fromkeys([*here, *there])]
    panels, names = (list(dict.fromkeys(getattr(p, name) for p in places)) for name in ("panel", "series"))
    places.sort(key=lambda p: (panels.index(p.panel), names.index(p.series), _rank(p.x)))
    made = []
    for place in places:
        kept, chosen = _best(here.get(place.values, []), best, choose or VALIDATION)
        values = tuple(value for cell in kept if (value := measure.of(cell)) is not None)
        published = there.get(place.values)
        made.append(Point(place.panel, place.series, place.x, values, tuple(kept), chosen, published))
    return Points(tuple(made), measure, (x_label or x or ""), best, choose or VALIDATION)


@dataclass(frozen=True)
class _Place:
    keys: Sequence[str]
    num_panel: int
    num_series: int
    values: tuple[Any, ...]

    @property
    def panel(self) -> str:
        return self._named(0, self.num_panel)

    @property
    def series(self) -> str:
        return self._named(self.num_panel, self.num_panel + self.num_series) or (
            "?" if self.num_series else ""
        )

    @property
    def x(self) -> Any:
        return self.values[-1] if len(self.keys) > self.num_panel + self.num_series else None

    def _named(self, start: int, end: int) -> str:
        pairs = zip(self.keys[start:end], self.values[start:end], strict=True)
        told = {key: value for key, value in pairs if value is not None}
        return label(told)


def _varying(keys: Sequence[str], cells: Sequence[Cell], numbers: Sequence[Number]) -> tuple[str, ...]:
    """Return the keys that have more than one value among cells and published numbers."""
    kept = []
    for key in keys:
        values = {_hashable(cell.value(key)) for cell in cells}
        if len(values | {number.axes[key] for number in numbers if key in number.axes}) > 1:
            kept.append(key)
    return tuple(kept)


def _at_its_default(key: str, cells: Sequence[Cell], numbers: Sequence[Number]) -> bool:
    """Whether a setting says no more than the name of the init that has it; some inits have none."""
    if not key.startswith("init.") or any(key in number.axes for number in numbers):
        return False
    values: dict[str, set[Any]] = {}
    for cell in cells:
        values.setdefault(str(cell.value("init")), set()).add(_hashable(cell.value(key)))
    return all(
        len(found) == 1 and all(value is None or is_default(key, init, value) for value in found)
        for init, found in values.items()
    )


def _hashable(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, type(None))) else text(value)


def _keys(keys: Keys) -> tuple[str, ...]:
    return (keys,) if isinstance(keys, str) else tuple(keys)


def _best(
    cells: Sequence[Cell], keys: Sequence[str], choose: Measure
) -> tuple[Sequence[Cell], dict[str, Any]]:
    """Keep the cells at the values of these keys with the best mean or median; of equal ones the lowest."""
    if not keys or not cells:
        return cells, {}
    groups: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault(tuple(cell.value(key) for key in keys), []).append(cell)
    sign = 1 if choose.higher_is_better else -1

    def score(values: tuple[Any, ...]) -> float:
        told = [sign * value for cell in groups[values] if (value := choose.of(cell)) is not None]
        if choose.diverged is None:  # it has no number, and is worse than any
            told += [-inf for cell in groups[values] if cell.status == "diverged"]
        middle = choose.middle(told)
        return -inf if middle is None else middle

    chosen = max(sorted(groups, key=lambda values: [_rank(value) for value in values]), key=score)
    return groups[chosen], dict(zip(keys, chosen, strict=True))


def _rank(value: Any) -> tuple[int, float, str]:
    """Sort numbers by size and before words."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return 0, float(value), ""
    return 1, 0.0, text(value)


def ordered(values: Iterable[Any]) -> list[Any]:
    """Sort numbers by size, and leave words in their order, after them."""
    found = list(values)
    return sorted(found, key=lambda value: _rank(value)[:2])
