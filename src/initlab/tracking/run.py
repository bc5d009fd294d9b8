"""The W&B run of a run: ``logger=wandb``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from initlab.errors import ConfigError
from initlab.results.identity import NUMBERS_VERSION
from initlab.results.run_folder import RunFolder
from initlab.tracking.login import logged_in
from initlab.tracking.metrics import BEST
from initlab.tracking.names import names
from initlab.training.log import Log

EXIT_CODES = {"ok": 0, "diverged": 0, "crashed": 1, "killed": 1, "refused": 2}
MODES, WATCHES = ("auto", "offline"), (None, "gradients")


class WandbRun(Log):
    """A W&B run under the run id, written below the run folder; offline where there is no account.

    Its step is the epoch, and its history holds the rows of ``metrics.csv`` to the last digit. A run that
    goes on is told its older rows again: W&B drops those that it has, and each offline file holds the whole
    run.

    wandb is imported when the run begins.

    Args:
        folder: of the run.
        config: resolved and nested; it becomes the config of the W&B run, with scale and numbers version.
        project: of W&B.
        entity: user or team; None for the account's own.
        mode: ``auto`` (online where there is an account) or ``offline``.
        group: in place of the one that :func:`initlab.tracking.names.names` gives.
        tags: beside those it gives.
        watch: ``gradients`` for a histogram of each parameter's gradient, of each epoch's last minibatch.

    Raises:
        ConfigError: ``mode`` or ``watch`` is none of these.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: Mapping[str, Any],
        project: str,
        entity: str | None = None,
        mode: str = "auto",
        group: str | None = None,
        tags: Sequence[str] = (),
        watch: str | None = None,
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise ConfigError(f"logger.mode={mode}: must be {' or '.join(MODES)}")
        if watch not in WATCHES:
            raise ConfigError(f"logger.watch={watch}: must be gradients or null")
        named = names(config)
        self.watched = watch
        self._run: Any = None
        self._arguments: dict[str, Any] = {
            "dir": str(folder.path),
            "id": folder.run_id,
            "resume": "allow",
            "project": project,
            "entity": entity,
            "name": named.name,
            "group": group or named.group,
            "job_type": named.job_type,
            "tags": [*named.tags, *tags],
            "config": {
                **config,
                "scale": config["sweep"].get("scale", "full"),
                "numbers_version": NUMBERS_VERSION,
            },
            "mode": "offline" if mode == "offline" or not logged_in() else None,
        }

    def open(self) -> None:
        """Begin the W&B run.

        Raises:
            ConfigError: W&B cannot be reached, or does not take the run.
        """
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        try:
            self._run = wandb.init(**self._arguments)
        except wandb.errors.Error as error:
            reason = str(error).splitlines()[0]
            told = "logger.mode=offline keeps the run here, for `python -m initlab wandb sync`"
            raise ConfigError(f"logger=wandb: {reason}; {told}") from error

    def training(self, model: Any, num_batches: int) -> None:
        """Make the epoch the step, and have gradients drawn if that was asked for."""
        self._run.define_metric("epoch")
        self._run.define_metric("*", step_metric="epoch")
        for name, best in BEST.items():
            self._run.define_metric(name, step_metric="epoch", summary=f"{best},last")
        if self.watched:
            self._run.watch(model, log=self.watched, log_freq=num_batches, log_graph=False)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Log one row of ``metrics.csv``."""
        known = {name: value for name, value in row.items() if value is not None}
        self._run.log(known, step=row["epoch"], commit=True)

    def measurement(self, name: str, rows: Sequence[Mapping[str, Any]], picture: Path) -> None:
        """Log ``<name>/table``, ``<name>/figure``, and a chart by layer of each number of a diagnostic."""
        import wandb

        columns = list(dict.fromkeys(column for row in rows for column in row))
        data: list[Any] = [
            [index, *(row.get(column) for column in columns)] for index, row in enumerate(rows)
        ]
        table = wandb.Table(columns=["index", *columns], data=data, allow_mixed_types=True)
        entries: dict[str, Any] = {
            f"{name}/table": table,
            f"{name}/figure": wandb.Image(str(picture)),
        }
        for column in charted(rows):
            title = f"{name}: {column}"
            entries[f"{name}/{column}"] = wandb.plot.line(table, "index", column, title=title)
        self._run.log(entries)

    def close(self, status: str, summary: Mapping[str, Any]) -> None:
        """Write the summary and end the W&B run, so that the next run of a sweep starts its own."""
        if self._run is None:
            return
        # Of a metric with a best value W&B keeps the best and the last itself.
        final = {key: value for key, value in summary.items() if key not in BEST and value is not None}
        self._run.summary.update({**final, "status": status, "diverged": int(status == "diverged")})
        self._run.finish(exit_code=EXIT_CODES[status])


def charted(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns that hold numbers, some of them not equal."""
    columns = dict.fromkeys(column for row in rows for column in row)
    held = {column: {row.get(column) for row in rows} - {None} for column in columns}
    return [
        column
        for column, values in held.items()
        if len(values) > 1 and all(isinstance(v, Real) and not isinstance(v, bool) for v in values)
    ]
