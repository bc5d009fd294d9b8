"""``doctor`` tells what is wrong and what to do, whatever is missing, and no check stops the others."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from initlab.cli import doctor
from initlab.cli.app import app
from initlab.cli.doctor import Finding, findings
from initlab.sweep import scheduler

SUBJECTS = {"python", "packages", "torchvision", "cpu", "gpu", "data", "output", "slurm", "wandb", "code"}


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with no program on its path, no home and no variables of ours."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CUDA_VISIBLE_DEVICES", "WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(doctor, "DEADLINE_S", 60.0)  # a busy machine is no hanging one


def program(folder: Path, name: str, script: str) -> None:
    """Put a program on the path."""
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def by_subject(folder: Path, **places: Path) -> Mapping[str, Finding]:
    """Look at everything; return the last finding on each subject."""
    where = {"output_dir": folder / "outputs", "data_dir": folder / "data", **places}
    return {finding.subject: finding for finding in findings(**where)}


def test_a_bare_machine_is_told_line_by_line_without_torch(tmp_path: Path) -> None:
    blocked = "import sys; sys.modules.update(dict.fromkeys(['torch', 'lightning', 'torchvision', 'wandb']))"
    code = f"{blocked}; from initlab.cli.app import app; app()"
    words = ["doctor", "-o", str(tmp_path / "outputs"), "--data-dir", str(tmp_path / "data")]
    told = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert "Traceback" not in told.stderr
    lines = [line.split(maxsplit=2) for line in told.stdout.splitlines() if line.strip()]
    assert {subject for _, subject, _ in lines} >= SUBJECTS - {"wandb", "gpu"}
    assert {level for level, _, _ in lines} <= {"ok", "note", "problem"}
    assert told.returncode == ("problem" in {level for level, _, _ in lines})
    assert not (tmp_path / "outputs").exists()


def test_a_problem_is_exit_code_1_and_its_line_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = ["doctor", "-o", str(tmp_path / "file"), "--data-dir", str(tmp_path)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert f"{tmp_path}/file is a file: choose another paths.output_dir" in result.output


def test_an_output_folder_that_can_be_written_to_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    found = by_subject(tmp_path)
    assert found["output"].level == "ok"
    assert not list((tmp_path / "outputs").iterdir())
    assert by_subject(tmp_path, output_dir=Path("/proc/nowhere"))["output"].level == "problem"


@pytest.mark.parametrize(
    ("kind", "level", "words"),
    [("nfs4", "ok", "other machines can see"), ("tmpfs", "note", "lost"), ("ext4", "ok", "enough without")],
)
def test_who_sees_the_output_folder_follows_its_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, level: str, words: str
) -> None:
    monkeypatch.setattr(doctor, "_file_system", lambda path: kind)
    found = by_subject(tmp_path)["shared"]
    assert found.level == level
    assert words in found.text
    program(tmp_path, "sbatch", "true")
    if kind == "ext4":
        assert "choose a folder that they share" in by_subject(tmp_path)["shared"].text


def test_a_cluster_is_asked_for_its_partitions(tmp_path: Path) -> None:
    assert by_subject(tmp_path)["slurm"].level == "note"
    for tool in scheduler.TOOLS:
        program(tmp_path, tool, "true")
    program(tmp_path, "sacct", "true")
    program(tmp_path, "sinfo", "echo 'main*|up|4|1-00:00:00|gpu:2'; echo 'old|down|1|infinite|(null)'")
    slurm = [f for f in findings(tmp_path, tmp_path) if f.subject == "slurm"]
    assert [(f.level, f.text) for f in slurm] == [
        ("ok", "partition main (default): 4 nodes up, 1-00:00:00, gpu:2"),
        ("note", "partition old: 1 nodes down, infinite"),
    ]
    program(tmp_path, "sinfo", "echo 'slurm_load_partitions: Unable to contact slurm controller' >&2; exit 1")
    found = by_subject(tmp_path)["slurm"]
    assert found.level == "problem"
    assert "Unable to contact slurm controller" in found.text
    (tmp_path / "bin" / "srun").unlink()
    found = by_subject(tmp_path)["slurm"]
    assert found.level == "problem"
    assert "no srun: take a login node" in found.text


def test_gpus_that_torch_cannot_use_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "nvidia-smi", "echo 'GPU 0: a GPU (UUID: GPU-1)'")
    monkeypatch.setattr(doctor, "_torch_cuda", lambda: None)
    assert by_subject(tmp_path)["gpu"].level == "problem"
    monkeypatch.setattr(doctor, "_torch_cuda", lambda: "13.0")
    assert by_subject(tmp_path)["gpu"].level == "ok"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "unset it" in by_subject(tmp_path)["gpu"].text


def versions(monkeypatch: pytest.MonkeyPatch, **others: str | None) -> None:
    true = metadata.version

    def told(name: str) -> str:
        if name in others:
            version = others[name]
            if version is None:
                raise metadata.PackageNotFoundError(name)
            return version
        return true(name)

    monkeypatch.setattr(metadata, "version", told)


def test_versions_that_do_not_fit_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = by_subject(tmp_path)
    assert (found["packages"].level, found["torchvision"].level) == ("ok", "ok")
    versions(monkeypatch, torch="2.0.0", submitit=None)
    found = by_subject(tmp_path)
    assert found["packages"].level == "problem"
    assert "torch is 2.0.0 and must be >=2.11" in found["packages"].text
    assert "submitit is missing" in found["packages"].text
    assert found["torchvision"].level == "problem"
    assert "torch is 2.0.0" in found["torchvision"].text


def test_wandb_says_where_its_runs_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "offline" in by_subject(tmp_path)["wandb"].text
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password of_a_test\n")
    assert by_subject(tmp_path)["wandb"].level == "ok"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert "nothing is sent" in by_subject(tmp_path)["wandb"].text


def test_data_sets_are_named(tmp_path: Path) -> None:
    assert by_subject(tmp_path)["data"].level == "note"
    (tmp_path / "data" / "torchvision" / "MNIST").mkdir(parents=True)
    (tmp_path / "data" / "cifar-10-batches-py").mkdir()
    assert by_subject(tmp_path)["data"].text.startswith("cifar10, mnist in ")


def fails() -> Iterator[Finding]:
    raise RuntimeError("a bug")
    yield


def hangs() -> Iterator[Finding]:
    time.sleep(60)
    yield Finding("ok", "cpu", "")


@pytest.mark.parametrize(("check", "told"), [(fails, "RuntimeError: a bug"), (hangs, "gives no answer")])
def test_a_check_that_fails_or_hangs_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: Callable[[], Iterator[Finding]], told: str
) -> None:
    monkeypatch.setattr(doctor, "cpu", check)
    if check is hangs:
        monkeypatch.setattr(doctor, "DEADLINE_S", 1.0)
    found = by_subject(tmp_path)
    assert set(found) >= SUBJECTS
    assert found["cpu"].level == "problem"
    assert told in found["cpu"].text


def test_the_share_of_a_container_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_cgroup_cores", lambda: 0.5)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))
    assert "set hydra.launcher.num_workers=1" in by_subject(tmp_path)["cpu"].text
