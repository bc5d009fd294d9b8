"""``python train.py`` as a person types it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tiny_run import TINY
from typed import ROOT, Typed, as_program, in_process

Train = Callable[..., Typed]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """Run ``train.py`` in a folder of its own, with the output folder and the data folder there."""
    return partial(as_program, tmp_path)


@pytest.fixture
def train_here(tmp_path: Path) -> Train:
    """Do so in this process."""
    return partial(in_process, tmp_path)


def without(*modules: str) -> tuple[str, ...]:
    """The program where a module cannot be imported, because it is set to None in ``sys.modules``."""
    block = f"import sys, runpy; sys.modules.update({dict.fromkeys(modules)!r})"
    return "-c", f"{block}; runpy.run_path({str(ROOT / 'train.py')!r}, run_name='__main__')"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--cfg", "job"],
        ["--info", "defaults-tree"],
        ["--hydra-help"],
        ["-m", "seed=0-3", "sweep.dry_run=true"],
    ],
    ids=lambda words: words[0],
)
def test_answers_without_torch(train: Train, arguments: list[str]) -> None:
    done = train(*arguments, code=without("torch", "lightning", "torchvision", "wandb"))
    assert done.returncode == 0, done.stderr
    assert done.stdout or done.stderr


def test_what_falls_away_of_an_experiment_is_told_and_not_shown_as_the_run_s(train: Train) -> None:
    own = train("experiment=defazio/fig3", "--cfg", "job")
    assert "output_std: 0.05" in own.stdout
    assert own.stderr == ""
    other = train("experiment=defazio/fig3", "init=he", "--cfg", "job")
    assert "output_std" not in other.stdout
    assert other.stderr.startswith("note: the experiment sets init.output_std; ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["lrr=0.1"], "there is no key lrr; did you mean lr?"),
        (["seed=abc"], "seed=abc: must be a whole number, not a word"),
        (["model=mlp", "model.widht=3"], "there is no key model.widht; did you mean model.width?"),
        (["modle=wrn"], "there is no key modle; did you mean model?"),
        (["model=wrm"], "there is no model=wrm; did you mean wrn?"),
        (
            ["experiment=defazio/fig3", "init=lsuv", "init.output_std=0.1"],
            "there is no key init.output_std",
        ),
        (["experiment=fig1"], "there is no experiment=fig1; did you mean arpit2019/fig1 or defazio/fig1? ("),
        (
            ["model=mlp", "model.depth=1.5"],
            "model.depth=1.5: must be a whole number, since its file holds 10",
        ),
        (["optim=lbfgs"], "there is no optim=lbfgs; optim can be adam, "),
        (["seed=0-3"], "seed=0-3 is a range of runs: add -m to sweep over it"),
        (["lr=0.1,0.2"], "lr=0.1,0.2 gives several runs: add -m to sweep over it"),
        (["init=he,proposed"], "init=he,proposed gives several runs: add -m to sweep over it"),
        (["sweep.dry_run=true"], "sweep.dry_run=true shows the runs of a sweep: add -m"),
        (["-m", "lr=0-3"], "a range needs a key that holds whole numbers"),
        (["-m", "seed=0-3", "optim.momentum=fast"], "optim.momentum=fast: must be a number"),
        (["seed=[1"], "seed=[1: "),
        (
            ["-m", "seed=0-3", "hydra.launcher.num_workers=2"],
            "hydra.launcher.num_workers is a setting of hydra/launcher=pool, and not of the launcher chosen",
        ),
        (
            ["-m", "seed=0-3", "hydra/launcher=pool", "hydra.launcher.num_wokers=2"],
            "no launcher has a setting hydra.launcher.num_wokers; did you mean hydra.launcher.num_workers?",
        ),
        (["-m", "seed=0-3", "hydra/launcher=basic,pool"], "hydra/launcher has one value in a sweep"),
        (
            ["-m", "seed=0-3", "hydra/launcher=pool", "hydra.launcher.num_workers=1,2"],
            "hydra.launcher.num_workers has one value in a sweep",
        ),
        (["-m", "seed=0-3", "sweep.max_runs=1-2"], "sweep.max_runs has one value in a sweep"),
        (["-m", "seed=0-3", "paths.output_dir=a,b"], "paths.output_dir has one value in a sweep"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_a_mistake_ends_with_one_sentence_before_torch_is_imported(
    train: Train, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    done = train(*arguments, code=without("torch", "lightning", "torchvision"))
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {sentence}") or sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["model.depth=0"], "model.depth=0: must be a positive whole number"),
        (["lr=-1"], "optim=sgd: Invalid learning rate: -1"),
        (["optim=adam", "optim.eps=-1"], "optim=adam: Invalid epsilon value: -1"),
        (["optim=adam", "optim.betas=[0.9]"], "optim=adam: list index out of range"),
        (["lr=nan"], "lr=nan: must be a finite number"),
        (["trainer.accelerator=abacus"], "trainer: You selected an invalid accelerator name"),
        (["trainer.precision=7-true"], "trainer: Precision '7-true' is invalid"),
        (
            ["trainer.accumulate_grad_batches=0"],
            "trainer.accumulate_grad_batches=0: must be a positive whole",
        ),
        (["data=cifar10"], "data=digits"),
        (["ckpt_path=last"], "there is no checkpoint"),
        (["paths.output_dir=/proc/nowhere"], "/proc/nowhere"),
        (["-m", "seed=0-1", "paths.output_dir=/proc/nowhere"], "cannot write /proc/nowhere/sweeps"),
        (
            ["-m", "seed=0-1", "hydra/launcher=pool", "hydra.launcher.num_workers=few"],
            "hydra.launcher.num_workers=few: must be a positive whole number",
        ),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_what_only_the_run_finds_out_ends_with_one_sentence_too(
    train_here: Train, arguments: list[str], sentence: str
) -> None:
    done = train_here(*TINY, *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0


def test_an_init_that_does_not_fit_exits_with_2_and_its_sentence(train_here: Train) -> None:
    done = train_here(*TINY, "norm=none")
    assert done.returncode == 2
    assert "build the model with norm=weight" in done.stderr


def test_one_run_and_the_same_again(train: Train, tmp_path: Path) -> None:
    first = train(*TINY)
    assert first.returncode == 0, first.stderr
    assert "ok: train/loss" in first.stderr
    (result,) = tmp_path.glob("outputs/runs/*/result.json")
    written = result.read_text()
    again = train(*TINY, code=without("torch", "lightning", "torchvision"))
    assert again.returncode == 0
    assert "has its result already" in again.stderr
    assert result.read_text() == written


def test_a_run_that_crashed_is_run_when_it_is_asked_for_again(train_here: Train, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("initlab.training.classifier.Classifier.training_step", None)
        crashed = train_here(*TINY)
    assert crashed.returncode == 1
    assert "Traceback" in crashed.stderr
    again = train_here(*TINY)
    assert again.returncode == 0, again.stderr
    assert "ok: train/loss" in again.stderr
    (folder,) = tmp_path.glob("outputs/runs/*")
    assert json.loads((folder / "result.json").read_text())["status"] == "ok"
    assert not (folder / "error.txt").exists()


@pytest.mark.parametrize("position", [0, 2, 4])
def test_the_papers_command_to_the_letter(train_here: Train, tmp_path: Path, position: int) -> None:
    words = ["model=wrn", "init=proposed", "lr=0.1", "seed=0-1,3"]
    done = train_here(*words[:position], "-m", *words[position:], "debug=smoke", "trainer.num_threads=1")
    assert done.returncode == 0, done.stderr
    results = [json.loads(path.read_text()) for path in tmp_path.glob("outputs/runs/*/result.json")]
    assert sorted(result["seed"] for result in results) == [0, 1, 3]
    assert {result["config"]["model"]["name"] for result in results} == {"wrn"}


def test_a_sweep_on_worker_processes_is_the_sweep_in_one(train_here: Train, tmp_path: Path) -> None:
    numbers = []
    for name, launcher in (("basic", []), ("pool", ["hydra.launcher.num_workers=1"])):
        places = [f"hydra/launcher={name}", *launcher, f"paths.output_dir={name}"]
        done = train_here(*TINY, "-m", "seed=0-2", *places)
        assert done.returncode == 0, done.stderr
        results = [json.loads(path.read_text()) for path in (tmp_path / name).glob("runs/*/result.json")]
        numbers.append({result["run_id"]: result["metrics"] for result in results})
    assert len(numbers[0]) == 3
    assert numbers[0] == numbers[1]


def test_shell_completion_answers(train: Train) -> None:
    done = train("-sc", "install=bash")
    assert done.returncode == 0
    environment = {**os.environ, "COMP_LINE": "python train.py init=pro", "COMP_POINT": "24"}
    asked = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), "-sc", "query=bash"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "init=proposed" in asked.stdout
