"""What a process of a run leaves to the one that started it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Ending:
    """How a rank ended.

    Args:
        rank: its number.
        kind: ``returned``, or what was raised; ``died`` is without a word.
        message: of what was raised, or of what killed it.
        traceback: of a crash.
        time: of the clock, in seconds: what was raised first is the cause of the rest.
    """

    rank: int
    kind: Literal["returned", "stopped", "refused", "error", "crashed", "died"]
    message: str = ""
    traceback: str = ""
    time: float = 0.0
