"""A run's folder holds whole files, and says in a sentence why it cannot be written to."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from initlab.errors import InitlabError
from initlab.results import atomic
from initlab.results.record import RunResult
from initlab.results.run_folder import RunFolder


def record(run_id: str = "0123456789ab") -> RunResult:
    return RunResult(run_id, "ok", {}, 0, {"val/acc": 0.5}, {}, {}, "cpu", 1.0)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path, "0123456789ab")
    folder.create()
    return folder


def test_a_new_folder_is_empty_and_has_no_result(folder: RunFolder, tmp_path: Path) -> None:
    assert folder.path == tmp_path / "runs" / "0123456789ab"
    assert not list(folder.path.iterdir())
    assert folder.read_result() is None


def test_creating_it_again_touches_nothing(folder: RunFolder) -> None:
    folder.write_result(record())
    folder.create()
    assert folder.read_result() == record()


def test_checkpoints_lie_in_a_folder_of_their_own(folder: RunFolder) -> None:
    assert folder.checkpoint_path("last") == folder.path / "checkpoints" / "last.ckpt"


def test_a_truncated_result_is_damaged_and_names_the_file(folder: RunFolder) -> None:
    folder.write_result(record())
    folder.result_path.write_text(folder.result_path.read_text()[:40])
    with pytest.raises(ValueError, match=r"result\.json is damaged: it is not whole JSON"):
        folder.read_result()


def test_a_result_of_another_run_is_refused(folder: RunFolder) -> None:
    with pytest.raises(ValueError, match="a result of run ffff does not belong"):
        folder.write_result(record("ffff"))


def test_config_reads_back_as_it_was(folder: RunFolder) -> None:
    config = {"seed": 0, "lr": 1e-05, "init": {"name": "proposed"}, "note": "γ = 2", "on": None}
    folder.write_config(config)
    read = yaml.safe_load(folder.config_path.read_text(encoding="utf-8"))
    assert read == config
    assert list(read) == list(config)


def test_error_is_kept_as_text(folder: RunFolder) -> None:
    folder.write_error("Traceback\nValueError: no\n\n")
    assert folder.error_path.read_text() == "Traceback\nValueError: no\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_output_folder_is_found_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(atomic.os, "fsync", fail)
    with pytest.raises(InitlabError, match=os.strerror(number).lower()) as caught:
        RunFolder(tmp_path, "0123456789ab").create()
    assert "\n" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", fail)
    with pytest.raises(InitlabError, match=r"cannot write .*permission denied; .*paths\.output_dir"):
        RunFolder(tmp_path, "0123456789ab").create()
