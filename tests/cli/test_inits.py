"""``list inits`` and ``docs/inits.md``: what the strategies say of themselves, and what was tried."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from initlab.cli.inits import Strategy, listed, page, strategies

ROOT = Path(__file__).parents[2]
STRATEGIES = strategies()


def test_every_option_is_listed() -> None:
    assert [one.name for one in STRATEGIES] == sorted(
        path.stem for path in (ROOT / "configs" / "init").glob("*.yaml")
    )


@pytest.mark.parametrize("one", STRATEGIES, ids=lambda one: one.name)
def test_a_strategy_says_its_formula_its_source_and_the_test_that_holds_it(one: Strategy) -> None:
    assert one.formula
    assert one.source
    path, _, name = one.test.partition("::")
    tests = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    assert name in [node.name for node in tests if isinstance(node, ast.FunctionDef)]
    assert one.networks, "run `make docs`"
    assert one.norms


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "inits.md").read_text(encoding="utf-8") == page(STRATEGIES), "run `make docs`"


def test_the_command_prints_what_the_page_says_and_imports_no_torch() -> None:
    code = (
        "import sys; from initlab.cli.app import app; app(['list', 'inits'], standalone_mode=False); "
        "print('torch' in sys.modules)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8"
    ).stdout
    assert printed.rstrip().endswith("False")
    for one in STRATEGIES:
        for said in (one.name, one.formula, f"source: {one.source}", f"test: {one.test}"):
            assert said in printed


def test_what_was_not_tried_is_left_out(tmp_path: Path) -> None:
    found = {one.name: one for one in strategies(fits=tmp_path / "none.json")}
    assert found["proposed"].networks == found["proposed"].norms == []
    assert found["proposed"].formula


def test_long_lists_are_told_by_what_is_missing() -> None:
    every = ["a", "b", "c", "d", "e"]
    assert listed(every, every) == "all"
    assert listed(["a", "b", "c", "e"], every) == "all but d"
    assert listed(["a", "c"], every) == "a, c"
    assert listed([], []) == ""
