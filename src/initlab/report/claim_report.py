"""The report of a claim: its figures, tables, verdict and provenance, as Markdown and as LaTeX."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from initlab.report.claims import Claim, Findings
from initlab.report.evidence import REDUCED as ENDING
from initlab.report.evidence import Evidence
from initlab.report.form.base import Form, render
from initlab.report.header import sentences
from initlab.report.provenance import counts, how_it_was_run, left_out, plain_words
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

    @property
    def counts(self) -> str:
        """How many runs came to which end, in words."""
        return counts(self.evidence)

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
        own = self.evidence.sweep.removesuffix(ENDING) == self.claim.name
        title = (
            "What the paper states, tested on our runs"
            if own
            else "What the paper states of its methods, asked of these"
        )
        return Table(title, ("statement", "verdict", "evidence"), rows, 3, note)

    @property
    def told(self) -> list[str]:
        """What a reader must know: what was left out, what the experiment cuts and leaves to us, remarks."""
        evidence = self.evidence
        published = (f"Published: {remark}" for remark in evidence.published.remarks)
        return [*evidence.notes, *sentences(evidence.claim, evidence.reduced), *published]

    def figures(self) -> list[dict[str, bytes]]:
        """Draw each form, as ``png`` and ``svg``."""
        return [render(form, self.label) for form, _ in self.tables]

    def stems(self) -> list[str]:
        """Name the files of the figures."""
        return self.evidence.stems(len(self.findings.forms))


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
            parts.append(f"![{plain_words(form.alt)}]({name}.png)")
        parts += [markdown(table).strip() for table in tables]
    parts += [*left_out(report.told), *how_it_was_run(report.evidence)]
    return "\n\n".join(parts) + "\n"


def as_latex(report: ClaimReport) -> str:
    """Write all tables of a report for LaTeX; the preamble needs booktabs."""
    tables = [table for _, tables in report.tables for table in tables]
    tables += [report.verdict_table] if report.findings.verdicts else []
    name = report.evidence.sweep.replace("/", ":").replace("_", "-")
    head = f"% {report.evidence.sweep}; \\usepackage{{booktabs}}" + (f"; {SHORT}" if report.label else "")
    return head + "\n" + "\n".join(latex(table, f"{name}:{index}") for index, table in enumerate(tables, 1))
