"""Inside a job: runs that are trained together stay together, and each is accounted for by itself."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from initlab.errors import InitlabError
from initlab.results.run_folder import RunFolder
from initlab.sweep import job as job_module
from initlab.sweep.cell import Cell
from initlab.sweep.lost import record_lost
from initlab.sweep.pack import led
from initlab.sweep.submission import Job, Submission


def cell(output_dir: Path, number: int) -> Cell:
    config = {"seed": number, "paths": {"output_dir": str(output_dir)}}
    return Cell((), {}, config, f"{number:012d}")


def test_packs_pass_through_the_file_of_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packs = [[0, 1, 2], [3], [4, 5], [6]]
    cells = [led([cell(tmp_path, number) for number in pack]) for pack in packs]
    submission = Submission.write(tmp_path, cells, 3, "builtins:print", False, {})
    first, second = (Job("1", file) for file in submission.files())
    assert [one.run_id for one in first.cells] == [f"{number:012d}" for number in range(6)]
    assert [one.run_id for one in second.cells] == [f"{6:012d}"]
    carried: list[list[int]] = []

    def in_pool(run: Any, cells: Sequence[Cell], report: Callable[[Any], None], *arguments: Any) -> None:
        for pack in cells:
            numbers = [int(member.config["seed"]) for member in pack.members]
            carried.append(numbers)
            if 4 in numbers:
                raise InitlabError("the data are not there")
            for member in pack.members:
                folder = RunFolder(tmp_path, member.run_id)
                report(record_lost(folder, member.config, None, "", "diverged"))

    monkeypatch.setattr(job_module, "in_pool", in_pool)
    monkeypatch.setattr("builtins.print", lambda *words, **options: None)
    assert not job_module._carry_out(first)
    assert carried == [[0, 1, 2], [3], [4, 5], [5]]  # a mistake is recorded for its run; the others go on
    results = [RunFolder(tmp_path, f"{number:012d}").read_result() for number in range(6)]
    assert [result.status for result in results if result] == ["diverged"] * 4 + ["crashed", "diverged"]
