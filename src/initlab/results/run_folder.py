"""The folder of one run: ``<output_dir>/runs/<run id>/``."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from initlab.results.atomic import make_folder, write_text
from initlab.results.record import Damaged, RunResult


class RunFolder:
    """Where one run writes ``config.yaml``, ``metrics.csv``, ``result.json``, ``error.txt``, checkpoints.

    Every file but ``metrics.csv`` is written whole or not at all.

    Args:
        output_dir: the folder of all runs and sweeps, ``paths.output_dir``.
        run_id: see :func:`initlab.results.identity.run_id`.
    """

    def __init__(self, output_dir: str | Path, run_id: str) -> None:
        self.run_id = run_id
        self.path = Path(output_dir) / "runs" / run_id

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @property
    def config_path(self) -> Path:
        """``config.yaml``, the resolved config."""
        return self.path / "config.yaml"

    @property
    def result_path(self) -> Path:
        """``result.json``, there once the run has ended in any way it could tell."""
        return self.path / "result.json"

    @property
    def error_path(self) -> Path:
        """``error.txt``, the traceback of a crash; there if and only if the result is one."""
        return self.path / "error.txt"

    @property
    def metrics_path(self) -> Path:
        """``metrics.csv``, one row per epoch; see :class:`initlab.results.metrics_csv.MetricsCsv`."""
        return self.path / "metrics.csv"

    def checkpoint_path(self, name: str) -> Path:
        """``checkpoints/<name>.ckpt``."""
        return self.path / "checkpoints" / f"{name}.ckpt"

    def create(self) -> None:
        """Make the folder, and see that it can be written to before anything is computed.

        Raises:
            OutputError: it is read-only, full, or in the way.
        """
        make_folder(self.path)
        probe = self.path / ".writable"
        write_text(probe, "x" * 4096)
        probe.unlink(missing_ok=True)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write the resolved, plain config.

        Raises:
            OutputError: it could not be written.
        """
        import yaml  # 30 ms that no reader of results pays

        text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
        write_text(self.config_path, text)

    def discard(self) -> None:
        """Take away the folder of a run that never began; its one writer alone may do so.

        One that has metrics or a checkpoint did begin, and stays.
        """
        if not self.metrics_path.exists() and not (self.path / "checkpoints").exists():
            shutil.rmtree(self.path, ignore_errors=True)

    def write_result(self, result: RunResult) -> None:
        """Write the record; of several writers the last wins, and no reader sees a part.

        Raises:
            OutputError: it could not be written.
            ValueError: the record is of another run.
        """
        if result.run_id != self.run_id:
            raise ValueError(f"a result of run {result.run_id} does not belong in {self.path}")
        write_text(self.result_path, result.to_json())
        if result.status != "crashed":
            self.error_path.unlink(missing_ok=True)

    def read_result(self) -> RunResult | None:
        """Read the record; None where the run has left none.

        Raises:
            Damaged: the file is damaged or of a newer schema; one sentence says which file and why.
        """
        try:
            text = self.result_path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise Damaged(f"{self.result_path} cannot be read: {error}") from error
        try:
            return RunResult.from_json(text)
        except ValueError as error:
            raise Damaged(f"{self.result_path} is damaged: {error}") from error

    def finished(self, retry: Collection[str] = ()) -> RunResult | None:
        """Return the result of a run that need not run again: one that is there, whole, and not killed.

        Args:
            retry: statuses to run again all the same.
        """
        try:
            result = self.read_result()
        except Damaged:
            return None
        return None if result is None or result.status in ("killed", *retry) else result

    def begin(self) -> None:
        """Take away what a run left that had ended by itself, so that it is run again and not gone on with.

        One that was killed or crashed goes on from its checkpoint. Its one writer alone may call this.
        """
        try:
            result = self.read_result()
        except Damaged:
            return
        if result is None or result.status in ("killed", "crashed"):
            return
        self.result_path.unlink()  # first: what is interrupted here must not pass for finished
        for path in self.path.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif not path.name.startswith("lock"):
                path.unlink()

    def write_error(self, traceback_text: str) -> None:
        """Write the traceback of a crash.

        Raises:
            OutputError: it could not be written.
        """
        write_text(self.error_path, traceback_text.rstrip("\n") + "\n")
