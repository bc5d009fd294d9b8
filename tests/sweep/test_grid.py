"""A grid runs what is missing and nothing else, whatever becomes of its cells."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from initlab.results.record import RunResult
from initlab.results.run_folder import RunFolder
from initlab.results.store import Store
from initlab.sweep.compose import config_loader
from initlab.sweep.grid import sweep
from initlab.sweep.launch import in_process
from initlab.sweep.plan import Cell


class Fake:
    """A launcher whose runs end as told, by seed, without torch."""

    def __init__(self, statuses: dict[int, str]) -> None:
        self.statuses = statuses
        self.ran: list[int] = []

    def launch_cells(
        self, cells: Sequence[Cell], report: Callable[[RunResult], None], fail_fast: bool
    ) -> None:
        in_process(self.run, cells, report, fail_fast)

    def run(self, config: Any) -> RunResult:
        from initlab.results.identity import run_id

        seed = config["seed"]
        self.ran.append(seed)
        status = self.statuses.get(seed, "ok")
        result = RunResult(
            run_id=run_id(config),
            status=status,  # type: ignore[arg-type]
            config=config,
            seed=seed,
            metrics={},
            versions={},
            git={},
            device="cpu",
            wall_s=0.1,
            samples_per_s=None,
            peak_memory_bytes=None,
            error="it broke" if status == "crashed" else None,
            started="2026-01-01T00:00:00+00:00",
        )
        folder = RunFolder(config["paths"]["output_dir"], result.run_id)
        folder.create()
        folder.write_result(result)
        return result


Start = Callable[..., tuple[list[int], int]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a sweep over seeds 0 to 3; return the seeds that ran and the exit code."""

    def run(statuses: dict[int, str], *arguments: str) -> tuple[list[int], int]:
        launcher = Fake(statuses)
        code = 0
        with config_loader() as loader:
            try:
                sweep(loader, launcher, ["model=mlp", "seed=0-3", f"paths.output_dir={tmp_path}", *arguments])
            except SystemExit as exit_:
                code = int(exit_.code or 0)
        return launcher.ran, code

    return run


def test_a_second_start_runs_nothing(start: Start) -> None:
    assert start({}) == ([0, 1, 2, 3], 0)
    assert start({}) == ([], 0)


def test_only_what_is_new_runs(start: Start) -> None:
    start({})
    assert start({}, "lr=0.1,0.5")[0] == [0, 1, 2, 3]


def test_a_crash_leaves_the_others_alone_and_the_exit_code_tells(start: Start) -> None:
    assert start({1: "crashed"}) == ([0, 1, 2, 3], 1)


def test_divergence_and_refusal_are_no_failure(start: Start) -> None:
    assert start({1: "diverged", 2: "refused"})[1] == 0


def test_what_was_killed_runs_again_and_the_rest_only_when_told(start: Start) -> None:
    start({0: "killed", 1: "crashed", 2: "diverged"})
    assert start({}, "sweep.retry=[]")[0] == [0]
    assert start({}, "sweep.retry=[crashed]")[0] == [1]
    assert start({}, "sweep.retry=crashed,diverged")[0] == [2]


def test_a_damaged_result_counts_as_missing(start: Start, tmp_path: Path) -> None:
    start({})
    result = next(tmp_path.glob("runs/*/result.json"))
    result.write_text(result.read_text()[:40])
    assert len(start({})[0]) == 1


def test_fail_fast_stops_at_the_first_crash(start: Start) -> None:
    assert start({1: "crashed"}, "sweep.fail_fast=true") == ([0, 1], 1)


def test_max_runs_takes_a_part_at_a_time(start: Start) -> None:
    assert start({}, "sweep.max_runs=3")[0] == [0, 1, 2]
    assert start({}, "sweep.max_runs=3")[0] == [3]


def test_a_dry_run_runs_and_writes_nothing(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start({}, "sweep.dry_run=true") == ([], 0)
    assert not (tmp_path / "sweeps").exists()
    assert capsys.readouterr().err.count("missing") == 4


def test_a_wrong_value_ends_the_sweep_before_anything_runs(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start({}, "optim.momentum=fast") == ([], 2)
    assert start({}, "sweep.retry=[broken]") == ([], 2)
    told = capsys.readouterr().err
    assert "optim.momentum=fast: must be a number, not a word" in told
    assert "sweep.retry=broken: can be crashed, diverged" in told
    assert not (tmp_path / "runs").exists()


def test_the_manifest_names_every_cell_for_the_report(start: Start, tmp_path: Path) -> None:
    start({1: "crashed"})
    store = Store(tmp_path)
    (name,) = store.sweeps()
    manifest = store.read_sweep(name)
    assert [cell["overrides"] for cell in manifest["cells"]] == [{"seed": seed} for seed in range(4)]
    states = store.states([cell["run_id"] for cell in manifest["cells"]])
    assert sorted(states.values()) == ["crashed", "ok", "ok", "ok"]
