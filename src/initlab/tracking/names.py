"""What a run is called in W&B: by what its sweep varies, or where it runs alone by what tells runs apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from initlab.report.values import REPLICATE, label, look_up

ALONE = ("model", "init", "norm", "lr", REPLICATE)
TAGGED = ("experiment", "model", "init", "norm", "data")
LONGEST, LONGEST_TAG = 128, 64  # characters that W&B takes


@dataclass(frozen=True)
class Names:
    """What W&B sorts runs by.

    Args:
        name: of the run: ``proposed, lr=0.1, seed=3``.
        group: what the runs share that differ in the seed alone: ``arpit2019/fig4: proposed, lr=0.1``.
        job_type: the task, ``fit`` or ``probe``.
        tags: ``init=proposed`` and the like.
    """

    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]


def names(config: Mapping[str, Any]) -> Names:
    """Name a run by its resolved configuration."""
    place = config.get("sweep", {})
    cell = place.get("cell") or {key: look_up(config, key) for key in ALONE}
    sweep = place.get("plan") or config.get("experiment")
    shared = label({key: value for key, value in cell.items() if key != REPLICATE})
    tags = [f"{key}={look_up(config, key)}" for key in TAGGED if look_up(config, key) is not None]
    if place.get("scale", "full") != "full":
        tags.append(f"scale={place['scale']}")
    return Names(
        name=label(cell)[:LONGEST],
        group=": ".join(part for part in (sweep, shared) if part)[:LONGEST],
        job_type=config["task"]["name"],
        tags=tuple(tag[:LONGEST_TAG] for tag in tags),
    )
