"""Which sweeps and claims a name means: a claim, a sweep, an experiment, a pattern, or all."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

from initlab.report import claims
from initlab.report.evidence import REDUCED
from initlab.results.record import Damaged
from initlab.results.recorded import Recorded
from initlab.results.store import NotFound, Store

PACKAGE = Path(__file__).parents[1]


def record_dir(package: Path = PACKAGE) -> Path:
    """Return where recorded results lie in a repository; an installed package has none there."""
    return package.parents[1] / "docs" / "results"


def choose(name: str, store: Store, recorded: Recorded) -> list[str]:
    """Return the names of the sweeps that a name means; a claim that has not run stands for itself.

    Raises:
        NotFound: it means nothing; the sentence names the nearest claim or sweep.
    """
    sweeps = sorted({*store.sweeps(), *recorded.sweeps()})
    known = claims.names()
    missing = [claim for claim in known if not {claim, claim + REDUCED} & {*sweeps}]
    everything = sorted({*sweeps, *missing})
    if name == "all":
        return everything
    if any(character in name for character in "*?["):
        found = [sweep for sweep in everything if fnmatchcase(sweep, name) or fnmatchcase(base(sweep), name)]
    elif name in everything and name not in known:
        found = [name]
    else:
        found = [s for s in everything if base(s) == name or experiment_of(s, store, recorded) == name]
    if not found:
        near = get_close_matches(name, [*known, *sweeps], 1, 0.4)
        hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join([*sweeps, *known][:5])}"
        raise NotFound(f"there is no claim and no sweep {name!r} in {store.output_dir}{hint}")
    return found


def claim_of(sweep: str, store: Store, recorded: Recorded) -> claims.Claim | None:
    """Return the claim that a sweep is of; None where it is of none."""
    return claims.find(experiment_of(sweep, store, recorded) or sweep) or claims.find(sweep)


def experiment_of(sweep: str, store: Store, recorded: Recorded) -> str | None:
    """Return the experiment that a sweep ran; None where nothing tells it."""
    for read in (store.read_sweep, recorded.read_sweep):
        try:
            manifest = read(sweep)
        except (NotFound, Damaged):
            continue
        if manifest is not None:
            experiment = manifest.get("experiment")
            return experiment if isinstance(experiment, str) else None
    return None


def base(sweep: str) -> str:
    """Return the name of a sweep without the mark of a reduced one."""
    return sweep.removesuffix(REDUCED)
