"""`scripts/gpu_suite.sh` takes from each experiment the networks that its comments name, whole."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from components import ROOT
from initlab.report.values import look_up
from initlab.sweep.compose import Composer, config_loader
from initlab.sweep.plan import plan

PIECE = re.compile(r"^ +(\w+)\) words=\"experiment=(\S+)(?: sweep\.max_runs=(\d+))?\" ;;", re.MULTILINE)
PIECES = {
    name: (experiment, int(runs or 0))
    for name, experiment, runs in PIECE.findall((ROOT / "scripts" / "gpu_suite.sh").read_text())
}
# A piece that takes a part: what all its runs share, or their number of blocks, and the first run after it.
PARTS: dict[str, tuple[dict[str, set[Any]], dict[str, Any]]] = {
    "table2": ({"model": {"wrn"}, "model.widen_factor": {10}}, {"model": "resnet_cifar"}),
    "table1": ({"model": {"resnet_cifar"}, "model.depth": {56, 110}}, {"model": "wrn"}),
    "risotto1": ({"model.depth": {18}, "data": {"cifar10"}}, {"model.depth": 50}),
    "risotto2": ({"model.depth": {18}, "data": {"cifar10"}}, {"model.depth": 50}),
    "fig3_right": ({"model.num_blocks": {1, 16, 166}}, {"model.num_blocks": 1666}),
}


@pytest.fixture(scope="module")
def composer() -> Iterator[Composer]:
    with config_loader() as loader:
        yield Composer(loader)


def test_pieces_are_found() -> None:
    assert PIECES.keys() - PARTS.keys() == {"fig4", "precision"}
    assert all(runs == 0 for name, (_, runs) in PIECES.items() if name not in PARTS)


@pytest.mark.slow  # 1,600 cells are planned
@pytest.mark.parametrize("name", PARTS)
def test_a_part_ends_where_other_networks_begin(name: str, composer: Composer) -> None:
    experiment, runs = PIECES[name]
    shared, after = PARTS[name]
    cells = plan(composer, [f"experiment={experiment}"]).cells
    assert {key: {look_up(cell.config, key) for cell in cells[:runs]} for key in shared} == shared
    assert {key: look_up(cells[runs].config, key) for key in after} == after
