"""How the runs of a sweep came to their ends, and with what, when and at what cost they were made."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from initlab.report.evidence import Evidence
from initlab.report.points import STATUSES
from initlab.report.values import shared_settings

VERSIONS = ("initlab", "python", "torch", "torchvision", "lightning", "numpy")


def counts(evidence: Evidence) -> str:
    """Say how many runs came to which end."""
    if not evidence.cells:
        return "not run here"
    parts = [f"{evidence.count('ok')} of {len(evidence.cells)} runs finished"]
    parts += [f"{n} {status}" for status in STATUSES if (n := evidence.count(status))]
    return ", ".join(parts)


def settings(evidence: Evidence) -> str:
    """Say what all runs share."""
    return "; ".join(shared_settings([result.config for result in evidence.results]))


def provenance(evidence: Evidence) -> list[tuple[str, str]]:
    """Return names and words: command, settings, device, cost, commit, versions and dates."""
    results = evidence.results
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
        "command": evidence.command,
        "results": evidence.origin,
        "settings": settings(evidence),
        "device": ", ".join(sorted({r.device for r in results if r.device})),
        "cost": f"{duration(sum(seconds))} in all, {duration(median(seconds))} a run (median)",
        "memory": f"{memory / 2**20:.0f} MiB at most" if memory else "",
        "commit": _some(sorted(commits)),
        "versions": ", ".join(sorted(versions)),
        "started": f"{started[0]} to {started[-1]}" if started else "",
    }
    return [(name, words) for name, words in facts.items() if words]


def left_out(told: Sequence[str]) -> list[str]:
    """Return the section on what a reader must know, as Markdown; nothing where there is nothing."""
    lines = "\n".join(f"- {plain_words(note)}" for note in told)
    return ["## Left out, and what a reader must know", lines] if told else []


def how_it_was_run(evidence: Evidence) -> list[str]:
    """Return the section on it, as Markdown; nothing where nothing has run."""
    facts = provenance(evidence)
    lines = [
        f"- {name}: {f'`{words}`' if name == 'command' else plain_words(words)}" for name, words in facts
    ]
    return ["## How it was run", "\n".join(lines)] if facts else []


def plain_words(words: str) -> str:
    """Write words for Markdown in a line, so that none of them is markup."""
    return " ".join(words.split()).replace("<", "&lt;").replace("[", "(").replace("]", ")")


def duration(seconds: float) -> str:
    """Write a time in seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _some(words: list[str]) -> str:
    return ", ".join(words[:4]) + (f" and {len(words) - 4} more" if len(words) > 4 else "")
