"""Every mistake at the prompt is one sentence and exit code 2, and nothing heavy is imported."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from initlab.results.store import Store


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["list", "sweeps"],
        ["list", "initz"],
        ["list", "inits", "--where", "a=b"],
        ["status"],
        ["status", "nope"],
        ["show", "aa"],
        ["report"],
        ["report", "nope"],
    ],
    ids=" ".join,
)
def test_an_empty_output_folder_or_an_unknown_name_is_a_sentence(type_: Any, words: list[str]) -> None:
    result = type_(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("initlab: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr


def test_a_damaged_result_is_a_sentence(type_: Any, store: Store) -> None:
    result = type_("show", "ee")
    assert result.exit_code == 2
    assert "result.json is damaged: it is not whole JSON" in result.stderr


def test_report_prints_and_names_the_files_it_wrote(type_: Any, store: Store) -> None:
    result = type_("report", "quick")  # the experiment's name
    assert result.exit_code == 0
    assert "1 of 4 runs finished, 1 diverged, 1 crashed, 1 missing" in result.stdout
    written = [
        line.removeprefix("wrote ") for line in result.stdout.splitlines() if line.startswith("wrote ")
    ]
    assert [Path(path).suffix for path in written] == [".html", ".png", ".svg", ".md", ".tex"]
    assert all(Path(path).is_file() for path in written)


def test_report_without_a_name_reports_every_sweep(type_: Any, store: Store) -> None:
    store.write_sweep("other", {"cells": []})
    result = type_("report")
    assert result.exit_code == 0
    assert "quickstart: 1 of 4" in result.stdout
    assert "other: not run here" in result.stdout


def test_the_output_folder_can_be_given_after_the_command(type_: Any, store: Store, tmp_path: Path) -> None:
    assert type_("list", "--output-dir", str(tmp_path / "none")).exit_code == 2
    assert type_("list", "-o", str(tmp_path)).exit_code == 0


def test_no_command_imports_what_takes_long(store: Store) -> None:
    code = (
        "import sys; from initlab.cli.app import app\n"
        "from initlab.report.claims import find; find('arpit2019/fig4')\n"
        "assert 'matplotlib' not in sys.modules\n"
        "for words in (['list'], ['list', 'inits'], ['status'], ['show', 'aa11'], ['report']):\n"
        f"    app([*words, *(['-o', {str(store.output_dir)!r}])], standalone_mode=False)\n"
        "print({'torch', 'lightning', 'torchvision', 'pandas', 'wandb', 'hydra'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "initlab", "show", "zz", "-o", "/nonexistent"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr == "initlab: there is no run 'zz' in /nonexistent; `list` names the runs\n"
