"""``list`` shows the runs one asks for."""

from typing import Any

import pytest

from initlab.results.store import Store


def ids(stdout: str) -> list[str]:
    return [line.split()[0] for line in stdout.splitlines()][1:]


def test_lists_good_results_oldest_first(type_: Any, store: Store) -> None:
    stdout = type_("list").stdout
    assert ids(stdout) == ["aa11", "aa22", "cc33"]
    [line] = [line for line in stdout.splitlines() if "aa11" in line]
    assert line.split() == ["aa11", "ok", "mlp", "proposed", "0.1", "0", "0.7500", "0.5000", "1.5"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-w", "init=pytorch"], ["aa22", "cc33"]),
        (["-w", "init=pytorch", "-w", "status=crashed"], ["cc33"]),
        (["-w", "lr=0.10", "-w", "seed=0"], ["aa11"]),
        (["-w", "model.depth=10", "--last", "2"], ["aa22", "cc33"]),
        (["-w", "best/val_acc=.75"], ["aa11"]),
    ],
    ids=str,
)
def test_conditions_choose_among_runs(
    type_: Any, store: Store, words: list[str], expected: list[str]
) -> None:
    assert ids(type_("list", *words).stdout) == expected


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-w", "init"], "write key=value"),
        (["-w", "init=he", "-w", "lr=3"], "none of the 3 runs has init=he and lr=3"),
    ],
    ids=str,
)
def test_a_condition_that_no_run_meets_is_a_sentence(
    type_: Any, store: Store, words: list[str], sentence: str
) -> None:
    result = type_("list", *words)
    assert result.exit_code == 2
    assert sentence in result.stderr


def test_lists_sweeps_with_their_commands(type_: Any, store: Store) -> None:
    stdout = type_("list", "sweeps").stdout
    assert "quickstart   quick           4" in stdout
    assert "python train.py" in stdout
