"""The report of a sweep of no claim: each init at each learning rate over seeds, or what was probed."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from initlab.report import unjudged
from initlab.report.comparison import Comparison, Group, Split, mean_and_sd
from initlab.report.evidence import Cell, Evidence
from initlab.report.form.base import Form, render
from initlab.report.header import sentences
from initlab.report.layers import Read, last, start
from initlab.report.measure import Measure, digits
from initlab.report.points import STATUSES
from initlab.report.provenance import counts, how_it_was_run, left_out, plain_words, settings
from initlab.report.statistic import difference_of_means
from initlab.report.table import NOTHING, Table, latex, markdown
from initlab.report.verdict import FEWEST

OTHERS = ("killed", "refused", "missing")
HOW_CHOSEN = (
    "The best lr (*) has the highest mean validation accuracy, where a diverged run counts as 0; "
    "mean ± sd over the n finished runs."
)
HOW_COMPARED = (
    "In percentage points, each at its best lr, a diverged run as 0; the bootstrap interval of the "
    "difference decides, and is not widened for several comparisons."
)
PLAIN = Measure((), "any number")
HOW_READ = "mean ± sd over the n finished runs that have the number."


@dataclass(frozen=True)
class SweepReport:
    """All that is shown of a sweep.

    Where a run has no accuracy, as those that probe or play, there are forms as of a claim.
    """

    comparison: Comparison

    @property
    def evidence(self) -> Evidence:
        """The sweep and its results."""
        return self.comparison.evidence

    @cached_property
    def forms(self) -> list[Form]:
        """The figures of runs without accuracies."""
        return unjudged.forms(self.evidence) if self._others else []

    @cached_property
    def tables(self) -> list[Table]:
        """Each series at its best rate, the best of them against the others, every rate; or every number."""
        found = [_numbers(self.comparison)] if self._others else []
        return _accuracies(self.comparison) + found if self.comparison.has_accuracy or not found else found

    @cached_property
    def _others(self) -> bool:
        """Whether a finished run has no accuracy."""
        finished = sum(len(group.finished) for group in self.comparison.groups)
        return self.evidence.count("ok") > finished

    @property
    def heading(self) -> str:
        """What was run, in a line, with the count of each status."""
        told = f"{self.evidence.sweep}: {counts(self.evidence)}"
        shared = settings(self.evidence)
        return f"{told} ({shared})" if shared else told

    @cached_property
    def told(self) -> list[str]:
        """What was left out, and what the head of the experiment's file tells a reader."""
        experiment = self.evidence.manifest.get("experiment")
        many = self._others and not self.forms and len(self.comparison.groups) > unjudged.MOST_SERIES
        note = f"Not drawn: what was found along the network, of more than {unjudged.MOST_SERIES} series."
        return [
            *self.evidence.notes,
            *([note] if many else []),
            *(sentences(experiment, self.evidence.reduced) if experiment else ()),
        ]

    @property
    def alts(self) -> list[str]:
        """What a person who cannot see the figures would miss, in words, of each."""
        others = [form.alt for form in self.forms]
        if not self.comparison.has_accuracy:
            return others
        best = [
            f"{series}: {percent(group, 'val')} at lr {rate(group.lr)}"
            for series, group in self.comparison.best.items()
        ]
        told = "Validation accuracy (%) against learning rate, and over epochs at each series' best one"
        return [f"{told}. {'; '.join(best)}. The tables hold all numbers.", *others]

    def figures(self) -> list[dict[str, bytes]]:
        """Draw each figure, as ``png`` and ``svg``."""
        others = [render(form) for form in self.forms]
        if not self.comparison.has_accuracy:
            return others
        from initlab.report.figure import curves, draw  # matplotlib takes longer to import than all else

        return [draw(self.comparison, curves(self.comparison)), *others]

    def stems(self) -> list[str]:
        """Name the files of the figures."""
        return self.evidence.stems(len(self.alts))


def as_markdown(report: SweepReport) -> str:
    """Write the report as Markdown, with links to its pictures."""
    parts = [f"# {report.evidence.sweep}", report.heading]
    parts += [
        f"![{plain_words(alt)}]({stem}.png)" for alt, stem in zip(report.alts, report.stems(), strict=True)
    ]
    parts += [markdown(table).strip() for table in report.tables]
    parts += [*left_out(report.told), *how_it_was_run(report.evidence)]
    return "\n\n".join(parts) + "\n"


def as_latex(report: SweepReport) -> str:
    """Write the tables for LaTeX; the preamble needs booktabs."""
    name = report.evidence.sweep.replace("/", ":").replace("_", "-")
    made = [latex(table, f"{name}:{index}") for index, table in enumerate(report.tables, 1)]
    return f"% {report.evidence.sweep}; \\usepackage{{booktabs}}\n" + "\n".join(made)


def _accuracies(comparison: Comparison) -> list[Table]:
    others = [status for status in OTHERS if comparison.evidence.count(status)]
    columns = (comparison.axis, "lr", "val acc (%)", "test acc (%)", "n", "diverged", "crashed", *others)

    def row(group: Group) -> tuple[str, ...]:
        best = "*" if comparison.best[group.series] is group else ""
        ends = [str(group.count(status)) for status in ("diverged", "crashed", *others)]
        accuracies = percent(group, "val"), percent(group, "test")
        return (group.series, rate(group.lr) + best, *accuracies, str(len(group.finished)), *ends)

    def table(title: str, groups: Iterable[Group]) -> Table:
        return Table(title, columns, tuple(map(row, groups)), note=HOW_CHOSEN)

    return [
        table(f"Each {comparison.axis} at its best learning rate", comparison.best.values()),
        *_differences(comparison),
        table("Every learning rate", comparison.groups),
    ]


def _differences(comparison: Comparison) -> list[Table]:
    """Return a table of the best series by validation against each other one; none of a single series."""
    best = sorted(comparison.best.values(), key=lambda group: -1.0 if group.score is None else group.score)
    split: Split = "test" if any(group.accuracies("test") for group in best) else "val"
    if len(best) < 2:
        return []
    accuracies = {
        group.series: [100 * value for value in group.accuracies(split)] + [0.0] * group.count("diverged")
        for group in best
    }
    leader = best[-1].series
    rows = []
    for series in comparison.series:
        if series == leader:
            continue
        sides = accuracies[leader], accuracies[series]
        counts = " and ".join(str(len(side)) for side in sides)
        if min(map(len, sides)) < FEWEST:
            rows.append((series, NOTHING, NOTHING, counts, f"no verdict: n < {FEWEST}"))
            continue
        found = difference_of_means(*sides)
        like = max(abs(found.low), abs(found.high))
        value, low, high = (digits(end, like=like) for end in (found.value, found.low, found.high))
        word = "is better" if found.low > 0 else "is worse" if found.high < 0 else "undecided"
        rows.append((series, value, f"[{low}, {high}]", counts, word))
    columns = (f"{leader} against", f"{split} acc more by", "95% interval", "n", "verdict")
    return [Table("The best by validation against the others", columns, tuple(rows), 1, HOW_COMPARED)]


def _numbers(comparison: Comparison) -> Table:
    """Return a row for each group and number of runs without an accuracy; along the network first and last.

    A group without a number has a row for how its runs ended.
    """
    cells = {cell.run_id: cell for cell in comparison.evidence.cells}
    several = len({group.lr for group in comparison.groups}) > 1
    ends = [status for status in STATUSES if status == "diverged" or comparison.evidence.count(status)]
    rows = []
    for group in comparison.groups:
        ended = [cells[run.run_id] for run in group.runs if run.status == "ok" and run.val is None]
        place = (group.series, rate(group.lr)) if several else (group.series,)
        counted = [str(group.count(status)) for status in ends]
        for name, read in _readers(ended):
            values = [value for cell in ended if (value := read(cell)) is not None]
            if values:
                rows.append((*place, name, PLAIN.written(values), str(len(values)), *counted))
        if not ended and not group.finished:
            rows.append((*place, NOTHING, NOTHING, "0", *counted))
    columns = (comparison.axis, *(["lr"] if several else []), "number", "value", "n", *ends)
    return Table("Every number", columns, tuple(rows), len(columns) - 2 - len(ends), HOW_READ)


def _readers(cells: Sequence[Cell]) -> Iterator[tuple[str, Read]]:
    for name in dict.fromkeys(name for cell in cells if cell.result for name in cell.result.metrics):
        if unjudged.of_whole_network(name):
            yield name, operator.methodcaller("metric", name)
    for prefix in unjudged.families(cells):
        yield f"{prefix}, first layer", start(prefix)
        yield f"{prefix}, last layer before the head", last(prefix)


def percent(group: Group, split: Split) -> str:
    """Write mean ± sd over the finished runs, in percent."""
    spread = mean_and_sd(group.accuracies(split))
    if spread is None:
        return NOTHING
    mean, sd = spread
    return f"{100 * mean:.1f}" if sd is None else f"{100 * mean:.1f} ± {100 * sd:.1f}"


def rate(lr: float | None) -> str:
    """Write a learning rate."""
    return "?" if lr is None else f"{lr:g}"
