"""What a run tells its logger while it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class Log:
    """Tells nobody: the files of the run folder are written with it or without it.

    Args:
        lightning: the logger that Lightning writes to; False for none.
    """

    def __init__(self, lightning: Any = False) -> None:
        self.lightning = lightning

    def open(self) -> None:
        """Begin: the network is built and nothing is measured yet."""

    def training(self, model: Any, num_batches: int) -> None:
        """Training begins, of ``num_batches`` minibatches an epoch."""

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Take one row of ``metrics.csv``; rows that were told before may come again."""

    def measurement(self, name: str, rows: Sequence[Mapping[str, Any]], picture: Path) -> None:
        """Take the table and the figure of one diagnostic."""

    def close(self, status: str, summary: Mapping[str, Any]) -> None:
        """End.

        Args:
            status: that of the result.
            summary: final metrics by name, and what else the result tells of the run as a whole.
        """
