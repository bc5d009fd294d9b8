"""A grid runs what is missing and nothing else, whatever becomes of its cells."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from initlab.results.identity import run_id
from initlab.results.record import RunResult
from initlab.results.run_folder import RunFolder
from initlab.results.store import Store
from initlab.sweep import outcome
from initlab.sweep.cell import Cell
from initlab.sweep.compose import config_loader
from initlab.sweep.grid import sweep
from initlab.sweep.launch import in_process


class Fake:
    """A launcher whose runs end as told, by seed, without torch."""

    def __init__(self, statuses: dict[int, str]) -> None:
        self.statuses = statuses
        self.ran: list[int] = []

    def launch_cells(
        self, cells: Sequence[Cell], report: Callable[[RunResult], None], fail_fast: bool
    ) -> None:
        in_process(self.run, cells, report, fail_fast)

    def verdicts(self, combinations: Sequence[str], dry_run: bool = False) -> list[tuple[str, str]]:
        raise AssertionError("the test tells what is refused")

    def run(self, config: Any) -> RunResult:
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

    def run(
        statuses: dict[int, str], *arguments: str, refused: Collection[int] = ()
    ) -> tuple[list[int], int]:
        launcher = Fake(statuses)
        code = 0

        def refusals(cells: Sequence[Cell], ask: Any = None) -> dict[str, str]:
            return {c.run_id: "it does not fit" for c in cells if c.config["seed"] in refused}

        words = ["model=mlp", "seed=0-3", f"paths.output_dir={tmp_path}", *arguments]
        with config_loader() as loader:
            try:
                sweep(loader, launcher, words, refusals)
            except SystemExit as exit_:
                code = int(exit_.code or 0)
        return launcher.ran, code

    return run


def test_a_second_start_runs_nothing(start: Start) -> None:
    assert start({}) == ([0, 1, 2, 3], 0)
    assert start({}) == ([], 0)


def test_a_cell_is_told_its_place_in_the_sweep_under_keys_that_are_not_in_its_run_id(
    start: Start, tmp_path: Path
) -> None:
    start({})
    ((name,), cells) = Store(tmp_path).sweeps(), Store(tmp_path).results()
    for result in cells:
        place = {key: result.config["sweep"][key] for key in ("plan", "scale", "cell")}
        assert place == {"plan": name, "scale": "full", "cell": {"seed": result.seed}}
    planned = {cell["run_id"] for cell in Store(tmp_path).read_sweep(name)["cells"]}
    assert {run_id(result.config) for result in cells} == planned
    assert len(planned) == 4


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


def test_a_negative_number_of_runs_is_refused(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    assert start({}, "sweep.max_runs=-1") == ([], 2)
    assert "sweep.max_runs=-1: must not be negative" in capsys.readouterr().err


def test_what_would_be_refused_is_recorded_and_the_rest_runs(start: Start, tmp_path: Path) -> None:
    assert start({}, "sweep.max_runs=2", refused={0, 2}) == ([1, 3], 0)  # a refusal takes no run's place
    results = {result.seed: result for result in Store(tmp_path).results()}
    assert {seed: results[seed].status for seed in results} == {0: "refused", 1: "ok", 2: "refused", 3: "ok"}
    assert results[0].error == "it does not fit"
    assert start({}, refused={0, 2}) == ([], 0)  # and is not asked again
    assert start({}, "sweep.retry=[refused]", refused={2})[0] == [0]


def test_a_dry_run_shows_what_would_be_refused_and_why(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start({}, "sweep.dry_run=true", refused={1}) == ([], 0)
    lines = [line.split(maxsplit=2)[1:] for line in capsys.readouterr().err.splitlines()]
    assert lines[:-1] == [
        ["missing", "seed=0"],
        ["refused", "seed=1  (it does not fit)"],
        ["missing", "seed=2"],
        ["missing", "seed=3"],
    ]
    assert not list(tmp_path.iterdir())


def test_at_the_end_stand_the_counts_and_the_last_error_of_what_failed(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    start({0: "ok"}, "seed=0")
    capsys.readouterr()
    start({1: "crashed", 2: "killed"}, refused={3})
    told = capsys.readouterr().err
    table = [line.split() for line in told.splitlines() if line.startswith("  ")]
    assert table == [
        ["all", "now"],
        ["ok", "1", "·"],
        ["crashed", "1", "1"],
        ["killed", "1", "1"],
        ["refused", "1", "1"],
    ]
    failed = [line.split(maxsplit=2) for line in told.splitlines() if line.startswith(outcome.FAILED)]
    assert [(status, rest) for status, _, rest in failed] == [
        ("crashed", "seed=1: it broke"),
        ("killed", "seed=2: no reason known"),
        ("refused", "seed=3: it does not fit"),
    ]
    assert told.splitlines()[-1].endswith("`sweep.retry=crashed` runs what crashed again")
    start({1: "killed"}, "sweep.retry=crashed")
    assert "sweep.retry" not in capsys.readouterr().err


def test_a_refusal_of_many_cells_is_said_once_and_every_crash_by_itself(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    start({0: "crashed", 1: "crashed"}, refused={2, 3})
    told = capsys.readouterr().err.splitlines()
    failed = [" ".join(line.split()[2:]) for line in told if line.startswith(outcome.FAILED)]
    assert failed == ["seed=0: it broke", "seed=1: it broke", "seed=2 and 1 more: it does not fit"]


def test_results_by_code_that_was_changed_since_are_told(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("initlab.results.environment.own_code", lambda: {"commit": "c", "diff": "now"})
    start({}, "seed=0-2")
    for path, diff in zip(tmp_path.glob("**/result.json"), ("now", "before", None), strict=True):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"git": {"commit": "c", "diff": diff}}))
    capsys.readouterr()
    assert start({}) == ([3], 0)
    assert "2 results were there, by code with other uncommitted changes" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_ends_the_sweep_before_anything_runs(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert start({}, f"paths.output_dir={tmp_path}/file") == ([], 2)
    told = capsys.readouterr().err
    assert f"cannot write {tmp_path}/file/sweeps/" in told
    assert "choose another paths.output_dir" in told
    assert told.count("\n") == 1


def test_a_dry_run_runs_and_writes_nothing(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start({}, "sweep.dry_run=true") == ([], 0)
    assert not (tmp_path / "sweeps").exists()
    assert "4 cells (4 missing), nothing run" in capsys.readouterr().err


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


def test_runs_of_one_architecture_go_to_the_launcher_together(start: Start, tmp_path: Path) -> None:
    packs = []
    launch = Fake.launch_cells

    def note(self: Fake, cells: Sequence[Cell], *arguments: Any) -> None:
        packs.extend(len(cell.members) for cell in cells)
        launch(self, [member for cell in cells for member in cell.members], *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fake, "launch_cells", note)
        assert start({}, "sweep.population=3") == ([0, 1, 2, 3], 0)
        assert packs == [3, 1]
        assert start({}, "sweep.population=3", "lr=0.1,0.5")[0] == [0, 1, 2, 3]
        assert packs == [3, 1, 3, 1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sweep.population=0"], "sweep.population=0: must be a positive whole number, auto or null"),
        (
            ["sweep.population=3", "task=probe"],
            "sweep.population=3: task=probe trains nothing; leave it at null",
        ),
    ],
)
def test_a_population_that_cannot_be_is_told_before_anything_runs(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert start({}, *arguments) == ([], 2)
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
