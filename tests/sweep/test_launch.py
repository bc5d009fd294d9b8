"""A sweep in this process."""

from typing import Any

import pytest

from initlab.errors import ConfigError
from initlab.sweep.cell import Cell
from initlab.sweep.launch import in_process


def cells(*devices: int) -> list[Cell]:
    return [Cell((), {}, {"trainer": {"devices": number}}, str(i)) for i, number in enumerate(devices)]


def never(config: Any) -> Any:
    raise AssertionError("nothing may be run")


def test_runs_of_several_processes_are_refused_before_any_is_run() -> None:
    with pytest.raises(ConfigError, match=r"^hydra/launcher=basic .* wants 2 .* take hydra/launcher=pool"):
        in_process(never, cells(2, 2), print, fail_fast=False)


def test_runs_of_different_numbers_of_processes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^trainer.devices=1, 2: the runs of one sweep"):
        in_process(never, cells(1, 2), print, fail_fast=False)
