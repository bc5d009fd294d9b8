"""The README's commands run as a user would type them, and its table is the recorded one."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from initlab.sweep.compose import Composer, config_loader
from initlab.sweep.plan import plan
from typed import ROOT, Typed, as_program, in_process

README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.split("  #")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
SHOWN = re.findall(r"^\$ (python .+)$", README, re.MULTILINE)
PYTHON = [command for command in COMMANDS if command.startswith("python ")]
MAKE = [command for command in COMMANDS if command.startswith("make ")]
# What makes a training command of the README one of seconds: the parts stay, the amount shrinks.
SMALL = {"epochs=1", "trainer.accelerator=cpu", "trainer.num_threads=1", "trainer.limit_train_batches=2"}
SMALL |= {"trainer.limit_val_batches=1", "trainer.limit_test_batches=1"}


ALONE = {"python train.py model=wrn init=proposed lr=0.1 -m seed=0-19"}  # in a process of its own, as typed


def run(command: str, folder: Path, *more: str) -> Typed:
    words = shlex.split(command)
    assert words[0] == "python"
    if words[1] == "-m":
        return as_program(folder, *words[3:], *more, code=("-m", words[2]))
    assert words[1] == "train.py"
    return (as_program if command in ALONE else in_process)(folder, *words[2:], *more)


def test_there_are_commands_to_check() -> None:
    assert len(PYTHON) >= 8
    assert len(PYTHON) + len(MAKE) == len(COMMANDS)
    assert len(SHOWN) == 6
    assert set(PYTHON) >= ALONE


@pytest.mark.parametrize("command", [c for c in PYTHON if " train.py" in c])
def test_each_training_command_runs(command: str, tmp_path: Path) -> None:
    words = shlex.split(command)
    more = []
    if "--help" not in words:
        kept = {word.split("=")[0] for word in words if word.startswith("epochs=")}
        more = sorted(word for word in SMALL if word.split("=")[0] not in kept or word == "epochs=1")
        if "data=cifar10" not in words and not any(word.startswith("data=") for word in words):
            more.append("data=digits")  # the real one needs files
        if "-m" in words and "sweep.dry_run=true" not in words:
            more.append("sweep.max_runs=1")
    done = run(command, tmp_path, *more)
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr


def test_the_sweeps_and_runs_shown_are_those_of_the_commands_above_them() -> None:
    shown = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    commands = [re.search(r"^\$ python train\.py -m (.+)$", block, re.MULTILINE) for block in shown]
    checked = set()
    with config_loader() as loader:
        for block, command in zip(shown, commands, strict=True):
            assert command is not None
            planned = plan(Composer(loader), shlex.split(command[1]))
            assert planned.name in block
            assert set(re.findall(r"\bsweep-[0-9a-f]{6}\b", block)) <= {planned.name}
            assert set(re.findall(r"\b[0-9a-f]{12}\b", block)) <= {cell.run_id for cell in planned.cells}
            checked |= set(re.findall(r"\b(?:sweep-[0-9a-f]{6}|[0-9a-f]{12})\b", block))
    assert len(checked) == 4


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one cell of the quickstart has run."""
    folder = tmp_path_factory.mktemp("ran")
    few = "hydra/launcher=basic sweep.max_runs=1 epochs=1"
    done = run(f"python train.py -m experiment=quickstart {few}", folder)
    assert done.returncode == 0, done.stderr
    manifest = next((folder / "outputs" / "sweeps").glob("*/sweep.json"))
    manifest.parent.rename(manifest.parents[1] / "quickstart")
    text = manifest.parents[1] / "quickstart" / "sweep.json"
    text.write_text(re.sub(r'"name": "[^"]*"', '"name": "quickstart"', text.read_text()))
    return folder


@pytest.mark.xdist_group("readme")  # one folder
@pytest.mark.parametrize("command", [c for c in PYTHON if " -m initlab " in c])
def test_each_reading_command_runs(command: str, ran: Path) -> None:
    done = run(command, ran)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("command", [c for c in SHOWN if " train.py" in c])
def test_each_sweep_shown_can_be_planned(command: str, tmp_path: Path) -> None:
    done = run(command, tmp_path, "sweep.dry_run=true")
    assert done.returncode == 0, done.stderr
    assert "nothing run" in done.stderr


@pytest.mark.parametrize("command", MAKE)
def test_each_make_target_exists(command: str) -> None:
    done = subprocess.run(["make", "-n", *command.split()[1:]], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


CELLS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("number", [0, 1])
def test_a_notebook_cell_runs_without_the_framework(number: int) -> None:
    check = "import sys; assert not {'hydra', 'lightning', 'wandb'} & set(sys.modules), sorted(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"{CELLS[number]}\n{check}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(CELLS) == 2
    assert ("forward_ratio" in done.stdout) == (number == 1)


def test_the_table_is_the_recorded_one() -> None:
    shown = README[README.index("<!-- quickstart:begin") : README.index("<!-- quickstart:end")]
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    recorded = (ROOT / "docs" / "results" / "quickstart.md").read_text()
    assert len(rows) == 11
    assert all(row in recorded for row in rows)


def test_the_table_of_the_first_claim_is_the_recorded_one() -> None:
    rows = [line for line in README.splitlines() if line.startswith(("| mlp,", "| mlp_residual,"))]
    recorded = (ROOT / "docs" / "results" / "arpit2019" / "fig1.md").read_text()
    assert len(rows) == 12
    assert all(row in recorded for row in rows)


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
