"""``sweep.population=auto`` packs as a trial says, and remembers it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from initlab.sweep.cell import Cell
from initlab.sweep.compose import Composer, config_loader
from initlab.sweep.plan import plan
from initlab.sweep.trial import packed_by_trial


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    with config_loader() as loader:
        return list(plan(Composer(loader), ["model=mlp", "data=digits", "seed=range(0,40)"]).cells)


class Told:
    """A trial with a known answer, which counts how often it is asked."""

    def __init__(self, times: Mapping[int, float]) -> None:
        self.times, self.asked = times, list[list[int]]()
        self.said: list[str] = []

    def __call__(
        self, cells: Sequence[Cell], sizes: Sequence[int], place: Mapping[str, str]
    ) -> Mapping[int, float]:
        self.asked.append(list(sizes))
        return {size: seconds for size, seconds in self.times.items() if size in sizes}

    def packs(self, cells: Sequence[Cell], places: int, memory: Path) -> list[int]:
        packs = packed_by_trial(cells, [{}] * places, memory, self.said.append, self)
        assert [one.run_id for pack in packs for one in pack.members] == [cell.run_id for cell in cells]
        return [len(pack.members) for pack in packs]


def test_the_fastest_size_is_taken_and_kept_for_the_sweep(cells: list[Cell], tmp_path: Path) -> None:
    told = Told({1: 0.010, 4: 0.004, 16: 0.002, 40: 0.005})
    assert told.packs(cells, 1, tmp_path / "memory") == [16, 16, 8]
    assert told.packs(cells[:20], 1, tmp_path / "memory") == [16, 4]
    assert told.asked == [[1, 4, 16, 40]]
    assert told.said == [
        "population of model=mlp: 16 at a time, 5.0 times as fast as alone in a trial "
        "(step of one run, 1: 10 ms, 4: 4 ms, 16: 2 ms, 40: 5 ms)"
    ]


@pytest.mark.parametrize("times", [{1: 0.010, 4: 0.011}, {1: 0.010, 4: 0.0095}, {1: 0.010}, {}])
def test_what_does_not_pay_runs_alone(cells: list[Cell], tmp_path: Path, times: dict[int, float]) -> None:
    told = Told(times)
    assert told.packs(cells, 1, tmp_path / "memory") == [1] * 40
    assert "each run by itself" in told.said[0]


def test_every_place_gets_its_part(cells: list[Cell], tmp_path: Path) -> None:
    told = Told({1: 0.010, 4: 0.005, 10: 0.001})
    assert told.packs(cells, 4, tmp_path / "memory") == [10] * 4
    assert told.packs(cells, 40, tmp_path / "other") == [1] * 40
    assert told.asked == [[1, 4, 10]]
