"""What a run leaves behind: one typed record, written as ``result.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite
from numbers import Integral
from typing import Any, Literal, get_args

from initlab.errors import InitlabError

SCHEMA_VERSION = 1
Status = Literal["ok", "diverged", "crashed", "killed", "refused"]
STATUSES: tuple[Status, ...] = get_args(Status)
Number = float | int | None


class Damaged(InitlabError, ValueError):
    """A file that a run or a sweep left cannot be read; the sentence names it and says why."""


@dataclass(frozen=True)
class RunResult:
    """The result of one run.

    Args:
        run_id: see :func:`initlab.results.identity.run_id`.
        status: ``ok``; ``diverged`` (a non-finite loss, which is a result); ``crashed`` (see error.txt);
            ``killed`` (stopped from outside); ``refused`` (init, norm and network do not fit together).
        config: resolved and nested; each group carries its option's name.
        seed: of the run.
        metrics: final and best values, by name: ``train/loss`` (nats), ``val/acc`` (fraction), ...;
            None where the value was not finite.
        versions: of the packages, by name.
        git: ``commit`` (None outside a repository), ``dirty`` and ``diff`` of the code that ran.
        device: in words.
        wall_s: seconds from start to end.
        samples_per_s: training samples per second of training and validation.
        peak_memory_bytes: the largest memory held.
        error: in one line, what went wrong: the exception of a crash, the refusal, where the loss diverged.
        started: ISO time with its zone.
        other_code: how the code that ran differs from that which it was submitted with; None if it does not.
        population: how many runs were trained as one computation, this one among them; None for a run
            by itself. Its ``wall_s`` is its share: the time of a population is divided equally among those in
            it, so that the sum over runs is the time of the machine.
        schema_version: of this record.
    """

    run_id: str
    status: Status
    config: dict[str, Any]
    seed: int
    metrics: dict[str, Number]
    versions: dict[str, Any]
    git: dict[str, Any]
    device: str
    wall_s: float
    samples_per_s: float | None = None
    peak_memory_bytes: int | None = None
    error: str | None = None
    started: str = ""
    other_code: str | None = None
    population: int | None = None
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """Write the record as JSON; metrics and samples/s that are not finite become null.

        Raises:
            ValueError: another number is not finite.
        """
        content = asdict(self)
        content["metrics"] = {name: finite(value) for name, value in self.metrics.items()}
        content["samples_per_s"] = finite(self.samples_per_s)
        order = ["schema_version", *(field.name for field in fields(self) if field.name != "schema_version")]
        return json.dumps({name: content[name] for name in order}, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> RunResult:
        """Read a record, ignoring keys it does not know.

        Raises:
            ValueError: the text is damaged or of a newer schema; one sentence says which.
        """
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"it is not whole JSON ({error.msg}, line {error.lineno})") from error
        if not isinstance(content, dict):
            raise ValueError("it holds no record")
        version = content.get("schema_version")
        if not isinstance(version, int) or version < 1:
            raise ValueError("it does not say the version of its schema")
        if version > SCHEMA_VERSION:
            raise ValueError(f"it has schema {version} and this initlab reads up to {SCHEMA_VERSION}: update")
        for name, types in REQUIRED.items():
            if name not in content:
                raise ValueError(f"it has no {name}")
            value = content[name]
            if not isinstance(value, types) or isinstance(value, bool):
                raise ValueError(f"its {name} is a {type(value).__name__}")
        for name, types in OPTIONAL.items():
            value = content.get(name)
            if value is not None and (not isinstance(value, types) or isinstance(value, bool)):
                raise ValueError(f"its {name} is a {type(value).__name__}")
        if content["status"] not in STATUSES:
            raise ValueError(f"its status is {content['status']!r}, none of {', '.join(STATUSES)}")
        for name, value in content["metrics"].items():
            if value is not None and (not isinstance(value, (int, float)) or isinstance(value, bool)):
                raise ValueError(f"its metric {name} is no number")
        known = {name: content[name] for name in FIELDS if name in content}
        return cls(**known)


REQUIRED: Mapping[str, type | tuple[type, ...]] = {
    "run_id": str,
    "status": str,
    "config": dict,
    "seed": int,
    "metrics": dict,
    "versions": dict,
    "git": dict,
    "device": str,
    "wall_s": (int, float),
    "started": str,
}
OPTIONAL: Mapping[str, type | tuple[type, ...]] = {
    "samples_per_s": (int, float),
    "peak_memory_bytes": int,
    "error": str,
    "other_code": str,
    "population": int,
}
FIELDS = tuple(field.name for field in fields(RunResult))


def finite(value: Any) -> Number:
    """Return a number as Python's own ``int`` or ``float``, and None for one that is not finite."""
    if value is None:
        return None
    if isinstance(value, Integral):
        return int(value)
    number = float(value)
    return number if isfinite(number) else None
