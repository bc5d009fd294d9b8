"""The report of a claim: its figures, tables, verdict and provenance, as Markdown and as LaTeX."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import median

from initlab.report.claims import Claim, Findings
from initlab.report.evidence import Evidence
from initlab.report.form.base import Form, render
from initlab.report.groups import shared_settings
from initlab.report.header import sentences
from initlab.report.points import STATUSES
from initlab.report.table import Table, latex, markdown, pivot_table, points_table
from initlab.report.verdict import tally

REDUCED = (
    "Reduced: these runs are not of the paper's size, and their numbers do not compare with the paper's."
)
SHORT = "reduced: not the paper's size"


@dataclass(frozen=True)
class ClaimReport:
    """All that is shown of one sweep of a claim."""

    claim: Claim
    evidence: Evidence

    @cached_property
    def findings(self) -> Findings:
        """Its figures and verdicts."""
        return self.claim.show(self.evidence)

    @property
    def label(self) -> str:
        """``reduced`` in words, or nothing."""
        return SHORT if self.evidence.reduced and self.evidence.cells else ""

    @property
    def verdict(self) -> str:
        """The outcome in words."""
        return tally(self.findings.verdicts)

    @cached_property
    def counts(self) -> str:
        """How many runs came to which end, in words."""
        cells = self.evidence.cells
        if not cells:
            return "not run here"
        parts = [f"{self.evidence.count('ok')} of {len(cells)} runs finished"]
        parts += [f"{n} {status}" for status in STATUSES if (n := self.evidence.count(status))]
        return ", ".join(parts)

    @cached_property
    def tables(self) -> list[tuple[Form, list[Table]]]:
        """Each form with its tables: the paper's own form first where it is a table."""
        found = []
        for form in self.findings.forms:
            title = f"{form.title.rstrip('.')} ({self.label})" if self.label else form.title.rstrip(".")
            pivot = [pivot_table(form.points, title)] if form.pivot else []
            found.append((form, [*pivot, points_table(form.points, f"{title}: every number")]))
        return found

    @cached_property
    def verdict_table(self) -> Table:
        """A line per statement."""
        rows = tuple((v.statement, v.outcome, v.evidence) for v in self.findings.verdicts)
        note = (
            "A statement holds where the 95% interval lies on its side, or where an exact test has p below "
            "0.025 for it; it does not hold where the same is so of its opposite, and is undecided in "
            "between. There is no verdict below three runs on each side."
        )
        return Table(
            "What the paper states, tested on our runs", ("statement", "verdict", "evidence"), rows, 3, note
        )

    @property
    def told(self) -> list[str]:
        """What a reader must know: what was left out, what the experiment cuts and leaves to us, remarks."""
        evidence = self.evidence
        published = (f"Published: {remark}" for remark in evidence.published.remarks)
        return [*evidence.notes, *sentences(evidence.claim, evidence.reduced), *published]

    @cached_property
    def settings(self) -> str:
        """What all runs share, in words."""
        return "; ".join(shared_settings([result.config for result in self.evidence.results]))

    @cached_property
    def provenance(self) -> list[tuple[str, str]]:
        """With what, when and at what cost the runs were made: names and words."""
        results = self.evidence.results
        if not results:
            return []
        versions = {f"{name} {r.versions[name]}" for r in results for name in VERSIONS if name in r.versions}
        commits = {
            f"{str(r.git.get('commit'))[:12]}{' with changes' if r.git.get('dirty') else ''}"
            for r in results
            if r.git.get("commit")
        }
        seconds = [r.wall_s for r in results]
        memory = max((r.peak_memory_bytes or 0 for r in results), default=0)
        started = sorted(r.started[:16].replace("T", " ") for r in results if r.started)
        facts = {
            "command": self.evidence.command,
            "results": self.evidence.origin,
            "settings": self.settings,
            "device": ", ".join(sorted({r.device for r in results if r.device})),
            "cost": f"{duration(sum(seconds))} in all, {duration(median(seconds))} a run (median)",
            "memory": f"{memory / 2**20:.0f} MiB at most" if memory else "",
            "commit": _some(sorted(commits)),
            "versions": ", ".join(sorted(versions)),
            "started": f"{started[0]} to {started[-1]}" if started else "",
        }
        return [(name, words) for name, words in facts.items() if words]

    def figures(self) -> list[dict[str, bytes]]:
        """Draw each form, as ``png`` and ``svg``."""
        return [render(form, self.label) for form, _ in self.tables]

    def stems(self) -> list[str]:
        """Name the files of the figures: after the sweep, numbered where there are several."""
        name = self.evidence.sweep.rpartition("/")[2]
        count = len(self.findings.forms)
        return [name if count == 1 else f"{name}-{index}" for index in range(1, count + 1)]


VERSIONS = ("initlab", "python", "torch", "torchvision", "lightning", "numpy")


def as_markdown(report: ClaimReport, pictures: bool = True) -> str:
    """Write the whole report as Markdown."""
    evidence = report.evidence
    parts = [f"# {evidence.sweep}: {report.claim.title}"]
    if report.label:
        parts.append(f"**{REDUCED}**")
    parts += [report.claim.statement] if report.claim.statement else []
    parts.append(f"**{report.verdict}** ({report.counts})")
    if report.findings.verdicts:
        parts.append(markdown(report.verdict_table).strip())
    for name, (form, tables) in zip(report.stems(), report.tables, strict=True):
        if pictures and evidence.cells:
            parts.append(f"![{_plain(form.alt)}]({name}.png)")
        parts += [markdown(table).strip() for table in tables]
    parts += left_out(report)
    if report.provenance:
        parts += [
            "## How it was run",
            "\n".join(f"- {name}: {_code(name, words)}" for name, words in report.provenance),
        ]
    return "\n\n".join(parts) + "\n"


def left_out(report: ClaimReport) -> list[str]:
    """Return the section on what a reader must know, as Markdown; nothing where there is nothing."""
    told = "\n".join(f"- {_plain(note)}" for note in report.told)
    return ["## Left out, and what a reader must know", told] if told else []


def as_latex(report: ClaimReport) -> str:
    """Write all tables of a report for LaTeX; the preamble needs booktabs."""
    tables = [table for _, tables in report.tables for table in tables]
    tables += [report.verdict_table] if report.findings.verdicts else []
    name = report.evidence.sweep.replace("/", ":").replace("_", "-")
    head = f"% {report.evidence.sweep}; \\usepackage{{booktabs}}" + (f"; {SHORT}" if report.label else "")
    return head + "\n" + "\n".join(latex(table, f"{name}:{index}") for index, table in enumerate(tables, 1))


def duration(seconds: float) -> str:
    """Write a time in seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _some(words: list[str]) -> str:
    return ", ".join(words[:4]) + (f" and {len(words) - 4} more" if len(words) > 4 else "")


def _plain(words: str) -> str:
    return " ".join(words.split()).replace("<", "&lt;").replace("[", "(").replace("]", ")")


def _code(name: str, words: str) -> str:
    return f"`{words}`" if name == "command" else _plain(words)
