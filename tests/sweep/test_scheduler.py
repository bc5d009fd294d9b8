"""What SLURM says, read from stand-ins for its commands."""

import os
from pathlib import Path

import pytest

from initlab.errors import ConfigError
from initlab.sweep import scheduler
from initlab.sweep.scheduler import States, check_installed, expand_ids, job_id_of, max_array_size

NO_ACCOUNTING = "echo 'Slurm accounting storage is disabled' >&2; exit 1"


class Tools:
    """A folder of commands that say what they are told to, in front of PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.folder}/calls\n{script}\n')
        path.chmod(0o755)

    def calls(self, name: str) -> list[str]:
        lines = (self.folder / "calls").read_text().splitlines()
        return [line for line in lines if line.split()[0] == name]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    return Tools(tmp_path)


@pytest.mark.parametrize(
    ("written", "ids"),
    [
        ("12", ["12"]),
        ("12_3", ["12_3"]),
        ("12_[3-5]", ["12_3", "12_4", "12_5"]),
        ("12_[0,4-5,9%2]", ["12_0", "12_4", "12_5", "12_9"]),
    ],
)
def test_the_ids_of_an_array_are_written_one_by_one(written: str, ids: list[str]) -> None:
    assert expand_ids(written) == ids


def test_accounting_is_asked_first_and_once_for_all_jobs(tools: Tools) -> None:
    tools.write("sacct", "printf '7_0|COMPLETED\\n7_1|CANCELLED by 1000\\n7_[2-3]|PENDING\\n8|RUNNING\\n'")
    tools.write("squeue", "exit 1")
    states = States().of(["7_0", "7_1", "7_2", "7_3", "8"])
    assert states == {
        "7_0": "COMPLETED",
        "7_1": "CANCELLED",
        "7_2": "PENDING",
        "7_3": "PENDING",
        "8": "RUNNING",
    }
    (call,) = tools.calls("sacct")
    assert call.endswith("-j 7,8")


def test_without_accounting_the_queue_is_asked_and_accounting_not_again(tools: Tools) -> None:
    tools.write("sacct", NO_ACCOUNTING)
    tools.write("squeue", "printf '7_0|FAILED|NonZeroExitCode\\n7_1|RUNNING|None\\n'")
    states = States()
    for _ in range(2):
        assert states.of(["7_0", "7_1", "7_2"]) == {"7_0": "FAILED", "7_1": "RUNNING", "7_2": "GONE"}
    assert len(tools.calls("sacct")) == 1


def test_a_job_that_may_come_back_is_looked_for_in_the_queue(tools: Tools) -> None:
    tools.write("sacct", "printf '7_0|NODE_FAIL\\n7_1|NODE_FAIL\\n'")
    tools.write("squeue", "printf '7_0|PENDING|BeginTime\\n'")
    assert States().of(["7_0", "7_1"]) == {"7_0": "PENDING", "7_1": "NODE_FAIL"}


def test_a_controller_that_does_not_answer_says_nothing_about_jobs(tools: Tools) -> None:
    tools.write("sacct", NO_ACCOUNTING)
    tools.write("squeue", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1")
    assert States().of(["7_0"]) is None


def test_jobs_forgotten_by_slurm_are_gone(tools: Tools) -> None:
    tools.write("sacct", NO_ACCOUNTING)
    tools.write("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert States().of(["7_0"]) == {"7_0": "GONE"}


def test_a_job_held_back_after_a_failed_node_is_released(tools: Tools) -> None:
    tools.write("sacct", NO_ACCOUNTING)
    tools.write("squeue", "printf '7_0|PENDING|launch failed requeued held\\n'")
    tools.write("scontrol", "exit 0")
    assert States().of(["7_0"]) == {"7_0": "PENDING"}
    assert tools.calls("scontrol") == ["scontrol release 7_0"]


def test_the_size_of_an_array_is_the_clusters(tools: Tools) -> None:
    tools.write("scontrol", "printf 'MailProg = /bin/mail\\nMaxArraySize            = 4001\\n'")
    assert max_array_size() == 4001
    tools.write("scontrol", "exit 1")
    assert max_array_size() == 1001


def test_a_machine_without_slurm_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="there is no sbatch on this machine"):
        check_installed()


def test_a_job_knows_its_own_id() -> None:
    assert job_id_of({"SLURM_JOB_ID": "9"}) == "9"
    assert job_id_of({"SLURM_JOB_ID": "12", "SLURM_ARRAY_JOB_ID": "9", "SLURM_ARRAY_TASK_ID": "3"}) == "9_3"


def test_jobs_are_cancelled_in_few_commands(tools: Tools) -> None:
    tools.write("scancel", "exit 0")
    scheduler.cancel(f"7_{number}" for number in range(1200))
    assert [len(call.split()) - 1 for call in tools.calls("scancel")] == [500, 500, 200]
    assert os.access(tools.folder / "scancel", os.X_OK)
