"""What was submitted: ``<output_dir>/slurm/<name>/submission.json`` and one file of cells for each job.

The files hold resolved configurations, so that a job runs what was planned whatever becomes of the
repository's ``configs``, and any later process can find which job has which run. The code is not copied, but
``code.json`` and ``code.diff`` say what it was, and a job that starts with other code says so in its result.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from initlab.configs_dir import configs_dir
from initlab.results.atomic import make_folder, write_bytes, write_text
from initlab.results.environment import git_diff, git_state
from initlab.results.record import RunResult
from initlab.results.run_folder import RunFolder
from initlab.sweep.cell import Cell
from initlab.sweep.lost import stamp


@dataclass(frozen=True)
class JobCell:
    """One run of a job.

    Args:
        run_id: of the run.
        config: resolved.
        before: :func:`initlab.sweep.lost.stamp` of the run's folder at submission.
        pack: number, within the job, of the pack of runs that it is trained together with; None for none.
    """

    run_id: str
    config: Mapping[str, Any]
    before: str | None
    pack: int | None = None

    @property
    def folder(self) -> RunFolder:
        """Where the run writes."""
        return RunFolder(self.config["paths"]["output_dir"], self.run_id)

    def new_result(self) -> RunResult | None:
        """Return what the run has left since it was submitted."""
        return None if stamp(self.folder) in (None, self.before) else self.folder.read_result()


@dataclass(frozen=True)
class Job:
    """A job and the file of its cells."""

    job_id: str
    file: Path

    @cached_property
    def order(self) -> Mapping[str, Any]:
        """What the file says: ``run``, ``cells``, ``fail_fast``, and ``options`` of the launcher."""
        content: Mapping[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
        return content

    @property
    def code(self) -> str:
        """What ``code.json`` says of the code at submission."""
        return (self.file.parents[1] / "code.json").read_text(encoding="utf-8")

    @cached_property
    def cells(self) -> list[JobCell]:
        """The runs of the job, in their order."""
        return [JobCell(**cell) for cell in self.order["cells"]]


class Submission:
    """The folder of one submission.

    Args:
        folder: ``<output_dir>/slurm/<name>``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def write(
        cls,
        output_dir: str | Path,
        cells: Sequence[Cell],
        cells_per_job: int,
        run: str,
        fail_fast: bool,
        options: Mapping[str, Any],
    ) -> Submission:
        """Write the files of the jobs; nothing is submitted yet.

        Raises:
            OutputError: they could not be written.
        """
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        submission = cls(Path(output_dir).absolute() / "slurm" / name)
        make_folder(submission.folder / "cells")
        for number, start in enumerate(range(0, len(cells), cells_per_job)):
            chosen = [
                {
                    "run_id": member.run_id,
                    "config": dict(member.config),
                    "before": stamp(RunFolder(member.config["paths"]["output_dir"], member.run_id)),
                    "pack": pack if cell.others else None,
                }
                for pack, cell in enumerate(cells[start : start + cells_per_job])
                for member in cell.members
            ]
            order = {"run": run, "fail_fast": fail_fast, "options": dict(options), "cells": chosen}
            write_text(submission.file(number), json.dumps(order) + "\n")
        root = configs_dir().parent
        write_bytes(submission.folder / "code.diff", git_diff(root) or b"")
        write_text(submission.folder / "code.json", json.dumps(git_state(root)) + "\n")
        submission.write_jobs([], options)
        return submission

    def file(self, number: int) -> Path:
        """``cells/<number>.json``."""
        return self.folder / "cells" / f"{number:05d}.json"

    def files(self) -> list[Path]:
        """Return the files of all jobs, in their order."""
        return sorted((self.folder / "cells").glob("*.json"))

    def write_jobs(self, job_ids: Sequence[str], options: Mapping[str, Any]) -> None:
        """Remember the ids of the jobs submitted so far, in the order of the files."""
        run_ids = [[cell["run_id"] for cell in json.loads(f.read_text())["cells"]] for f in self.files()]
        content = {"options": dict(options), "job_ids": list(job_ids), "run_ids": run_ids}
        write_text(self.folder / "submission.json", json.dumps(content) + "\n")

    def read(self) -> dict[str, Any]:
        """Return ``options``, ``job_ids``, and ``run_ids`` of each job."""
        content: dict[str, Any] = json.loads((self.folder / "submission.json").read_text(encoding="utf-8"))
        return content

    def jobs(self, run_ids: Collection[str]) -> list[Job]:
        """Return the submitted jobs that have one of these runs."""
        content = self.read()
        numbered = zip(content["job_ids"], content["run_ids"], strict=False)
        return [
            Job(job_id, self.file(number))
            for number, (job_id, has) in enumerate(numbered)
            if not set(run_ids).isdisjoint(has)
        ]


def submissions(output_dir: str | Path) -> list[Submission]:
    """Return all submissions under an output folder, the oldest first."""
    paths = Path(output_dir).absolute().glob("slurm/*/submission.json")
    return [Submission(path.parent) for path in sorted(paths)]


def jobs_of(output_dir: str | Path, run_ids: Iterable[str]) -> list[Job]:
    """Return the jobs, of all submissions, that have one of these runs; the oldest first."""
    wanted = set(run_ids)
    return [job for submission in submissions(output_dir) for job in submission.jobs(wanted)]
