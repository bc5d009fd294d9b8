"""``python train.py`` in a process of its own, or in this one where the process is not what is tested."""

import os
import subprocess
import sys
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
from hydra.core.global_hydra import GlobalHydra

from initlab.cli.train import main

ROOT = Path(__file__).parents[2]


class Typed(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def as_program(folder: Path, *arguments: str, code: tuple[str, ...] = (str(ROOT / "train.py"),)) -> Typed:
    """Run the program in a folder, with its data there."""
    done = subprocess.run(
        [sys.executable, *code, *arguments],
        cwd=folder,
        env=os.environ | _variables(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    return Typed(done.returncode, done.stdout, done.stderr)


def in_process(folder: Path, *arguments: str) -> Typed:
    """Call the program's main function as from that folder; importing torch again would take seconds."""
    out, err, code = StringIO(), StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["train.py", *arguments])
        for name, value in _variables(folder).items():
            patch.setenv(name, value)
        stack.callback(GlobalHydra.instance().clear)
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Typed(code, out.getvalue(), err.getvalue())


def _variables(folder: Path) -> dict[str, str]:
    return {"COLUMNS": "300", "INITLAB_DATA_DIR": str(folder / "data")}
