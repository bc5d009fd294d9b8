"""``report`` and ``record``: tables, figures and pages from results and published numbers."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Group
from rich.text import Text

from initlab.cli.console import print_
from initlab.errors import InitlabError
from initlab.report.choose import base, choose, claim_of, record_dir
from initlab.report.claim_report import REDUCED, ClaimReport
from initlab.report.claims import Claim
from initlab.report.evidence import gather
from initlab.results.recorded import Recorded
from initlab.results.store import NotFound, Store


def report(store: Store, name: str | None, records: Path | None) -> None:
    """Write the reports that a name means, and print their tables; of ``all``, a line each and an index.

    Raises:
        NotFound: the name means nothing, or nothing has run.
    """
    from initlab.report import site

    recorded = Recorded(records or record_dir())
    names = store.sweeps() if name is None else choose(name, store, recorded)
    if not names:
        raise NotFound(
            f"there is no sweep in {store.output_dir} to report: run one with `python train.py -m ...`"
        )
    folder, reports, others = store.output_dir / "report", [], []
    for sweep in names:
        claim = claim_of(sweep, store, recorded)
        if claim is None:
            others += _write_other(store, sweep, name == "all")
            continue
        made = ClaimReport(claim, gather(sweep, claim.name, store, recorded))
        paths = site.write_claim(made, folder, name == "all")
        reports.append(made)
        if name == "all":
            typer.echo(f"{sweep}: {made.verdict if made.evidence.cells else 'not run here'} ({made.counts})")
        else:
            _print(made)
            for path in paths:
                typer.echo(f"wrote {path}")
    if name == "all":
        typer.echo(f"wrote {site.write_index(reports, others, folder)}")


def record(store: Store, name: str, records: Path | None) -> None:
    """Record the sweeps of the claims that a name means.

    Raises:
        NotFound: the name means nothing.
        InitlabError: it means no claim, or one that has no result.
    """
    from initlab.report import record as recording

    recorded = Recorded(records or record_dir())
    pairs = [(sweep, claim_of(sweep, store, recorded)) for sweep in choose(name, store, recorded)]
    claims: dict[str, Claim] = {}
    for sweep, claim in pairs:
        if claim is None:
            raise InitlabError(f"{sweep} is no claim of a paper: only claims are recorded")
        made = ClaimReport(claim, gather(sweep, claim.name, store, recorded))
        if not made.evidence.cells and len(pairs) > 1:
            continue
        claims[claim.name] = claim
        for path in recording.record(made, recorded):
            typer.echo(f"wrote {path} ({path.stat().st_size / 1024:.0f} KiB)")
    for claim in claims.values():
        sweeps = [sweep for sweep in recorded.sweeps() if base(sweep) == claim.name]
        reports = [ClaimReport(claim, gather(sweep, claim.name, store, recorded)) for sweep in sweeps]
        if reports:
            typer.echo(f"wrote {recording.write_page(reports, recorded)}")
    everything = [(sweep, claim_of(sweep, store, recorded)) for sweep in recorded.sweeps()]
    index = [
        ClaimReport(claim, gather(sweep, claim.name, store, recorded)) for sweep, claim in everything if claim
    ]
    typer.echo(f"wrote {recording.write_index(index, recorded)}")


def _write_other(store: Store, sweep: str, index: bool) -> list[str]:
    from initlab.report import site
    from initlab.report.comparison import compare
    from initlab.report.sweep_report import SweepReport
    from initlab.report.table import terminal

    made = SweepReport(compare(store, sweep))
    lines: list[object] = [Text(made.heading, style="bold"), *terminal(made.tables)]
    print_(Group(*lines, *(Text(note, style="yellow") for note in made.told)))  # type: ignore[arg-type]
    for path in site.write_sweep(made, store.output_dir / "report", index):
        typer.echo(f"wrote {path}")
    return [sweep]


def _print(made: ClaimReport) -> None:
    from initlab.report.table import terminal

    evidence = made.evidence
    lines: list[object] = [Text(f"{evidence.sweep}: {made.claim.title}", style="bold")]
    lines += [Text(REDUCED, style="bold yellow")] if made.label else []
    lines.append(Text(f"{made.verdict} ({made.counts})"))
    lines += [Text(f"results: {evidence.origin}", style="dim")] if evidence.origin else []
    tables = [table for _, tables in made.tables for table in tables]
    lines += terminal([*([made.verdict_table] if made.findings.verdicts else []), *tables])
    lines += [Text(note, style="yellow") for note in evidence.notes]
    print_(Group(*lines))  # type: ignore[arg-type]
    if not evidence.cells:
        typer.echo(f"not run here: python train.py -m experiment={made.claim.name}")
