"""Each combination of parts is asked once, by a process that may die or be slow without harm."""

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from hydra_plugins import initlab_launcher
from hydra_plugins.initlab_launcher import BasicLauncher, PoolLauncher, SlurmLauncher
from initlab.errors import ConfigError
from initlab.sweep import fitting
from initlab.sweep.cell import Cell
from initlab.sweep.compose import Composer, config_loader
from initlab.sweep.fitting import refusals
from initlab.sweep.plan import plan
from initlab.task.fitting import verdicts


@pytest.fixture(scope="module")
def composer() -> Iterator[Composer]:
    with config_loader() as loader:
        yield Composer(loader)


def cells(composer: Composer, *arguments: str) -> tuple[Cell, ...]:
    return plan(composer, ["model=mlp", "data=digits", *arguments]).cells


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let a program in place of python do the answering; it is given as text, for ``sh``."""
    program = tmp_path / "python"
    program.touch(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return program


def test_the_cells_of_a_combination_are_refused_together(composer: Composer) -> None:
    grid = cells(composer, "init=proposed,he", "norm=weight,none", "lr=0.1,0.3", "seed=0-4")
    refused = refusals(grid)
    assert len(refused) == 10
    for cell in grid:
        parts = (cell.config["init"]["name"], cell.config["norm"]["name"])
        assert (cell.run_id in refused) == (parts == ("proposed", "none"))
    (sentence,) = set(refused.values())
    assert sentence.endswith("build the model with norm=weight")


def test_a_value_that_makes_no_sense_is_told_before_anything_runs(composer: Composer) -> None:
    with pytest.raises(ConfigError, match=r"^model.depth=0: must be a positive whole number$"):
        refusals(cells(composer, "model.depth=1,0"), verdicts)


def test_each_combination_is_asked_once(composer: Composer, answers: Path, tmp_path: Path) -> None:
    answers.write_text(f'#!/bin/sh\ntee -a {tmp_path}/asked | sed \'s/.*/["fits", ""]/\'\n')
    assert refusals(cells(composer, "init=proposed,he", "lr=0.1,0.3", "seed=0-4")) == {}
    asked = [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()]
    assert [parts["init"]["name"] for parts in asked] == ["proposed", "he"]
    assert refusals([]) == {}
    assert len((tmp_path / "asked").read_text().splitlines()) == 2


@pytest.mark.parametrize("end", ["exit 1", "kill -9 $$", "printf '[\"refus'", "exec sleep 60"])
def test_what_was_answered_before_the_process_died_or_was_slow_counts(
    composer: Composer, answers: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(fitting, "LIMIT_S", 2.0)
    answers.write_text(f'#!/bin/sh\nread line\necho \'["refused", "no"]\'\n{end}\n')
    grid = cells(composer, "init=proposed,he,orthogonal")
    assert refusals(grid) == {grid[0].run_id: "no"}


def test_a_task_of_another_kind_is_not_asked(composer: Composer, answers: Path) -> None:
    answers.write_text('#!/bin/sh\nsed \'s/.*/["refused", "no"]/\'\n')
    assert len(refusals(cells(composer))) == 1
    assert refusals(cells(composer, "task._target_=faulty.run")) == {}


@pytest.mark.parametrize(
    ("launcher", "dry_run", "has_torch", "elsewhere"),
    [
        (BasicLauncher, False, False, False),
        (BasicLauncher, True, False, True),
        (PoolLauncher, False, False, True),
        (SlurmLauncher, False, False, True),
        (PoolLauncher, False, True, False),
        (BasicLauncher, True, True, False),
    ],
)
def test_a_process_is_asked_unless_this_one_has_torch_or_will_run_the_cells(
    composer: Composer,
    answers: Path,
    monkeypatch: pytest.MonkeyPatch,
    launcher: type[BasicLauncher],
    dry_run: bool,
    has_torch: bool,
    elsewhere: bool,
) -> None:
    answers.write_text('#!/bin/sh\nsed \'s/.*/["refused", "asked elsewhere"]/\'\n')
    grid = cells(composer, "init=proposed", "norm=weight,none", "model.width=8")
    ask = partial(launcher().verdicts, dry_run=dry_run)
    modules = {"torch": torch} if has_torch else {"torch": None}  # None: cannot be imported
    monkeypatch.setattr(initlab_launcher, "sys", SimpleNamespace(modules=modules))
    told = list(refusals(grid, ask).values())
    if elsewhere:
        assert told == ["asked elsewhere"] * 2
    else:
        (sentence,) = told
        assert sentence.endswith("build the model with norm=weight")
