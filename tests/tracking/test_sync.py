"""Offline runs are sent once, in parallel, by ``wandb sync``; a stand-in writes down what it was asked."""

import json
import os
import sys
from pathlib import Path

import pytest

from fake_wandb import fake_wandb
from initlab.tracking import sync
from offline_wandb import no_account

STAND_IN = """
import json, pathlib, sys
log, refused, *words = sys.argv[1:]
with open(log, "a") as file:
    file.write(json.dumps(words) + "\\n")
for word in words:
    if word.endswith(".wandb") and not (refused and refused in word):
        pathlib.Path(word + ".synced").touch()
print("wandb: ERROR no route to host" if refused else "Finished")
"""


def offline(folder: Path, run_id: str, start: str = "20260101_000000", place: str = "runs/{}/wandb") -> Path:
    path = folder / place.format(run_id) / f"offline-run-{start}-{run_id}" / f"run-{run_id}.wandb"
    path.parent.mkdir(parents=True)
    path.write_bytes(b":W&B")
    return path


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    log = tmp_path / "asked"
    monkeypatch.setattr(sync, "COMMAND", (sys.executable, str(script), str(log), ""))
    return log


def commands(log: Path) -> list[list[str]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_runs_and_reports_are_found_and_of_a_run_the_newest_file(tmp_path: Path) -> None:
    offline(tmp_path, "aaa")
    newer = offline(tmp_path, "aaa", "20260102_000000")
    report = offline(tmp_path, "report-fig4", place="wandb")
    (tmp_path / "runs" / "bbb" / "wandb" / "run-20260101_000000-bbb").mkdir(parents=True)  # online
    assert sync.offline_files(tmp_path) == [newer, report]


def test_all_are_named_in_one_command_that_sends_several_at_a_time(tmp_path: Path, asked: Path) -> None:
    files = [offline(tmp_path, name) for name in ("aaa", "bbb", "ccc")]
    outcome = sync.send(files, 3)
    assert (outcome.sent, outcome.failed) == (tuple(files), ())
    assert commands(asked) == [["--include-synced", "-n", "3", *map(str, files)]]
    assert all(map(sync.is_sent, files))


def test_many_are_named_in_several_commands(
    tmp_path: Path, asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "AT_ONCE", 2)
    files = [offline(tmp_path, name) for name in ("aaa", "bbb", "ccc")]
    assert len(sync.send(files, 8).sent) == 3
    assert [len(command) - 3 for command in commands(asked)] == [2, 1]


def test_a_run_that_was_sent_while_it_went_is_sent_again(tmp_path: Path, asked: Path) -> None:
    file = offline(tmp_path, "aaa")
    sync.send([file], 1)
    assert sync.is_sent(file)
    after = file.with_suffix(".wandb.synced").stat().st_mtime_ns + 1
    os.utime(file, ns=(after, after))
    assert not sync.is_sent(file)


def test_what_wandb_did_not_mark_was_not_sent_whatever_it_says(
    tmp_path: Path, asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "COMMAND", (*sync.COMMAND[:-1], "bbb"))
    files = [offline(tmp_path, name) for name in ("aaa", "bbb")]
    outcome = sync.send(files, 2)
    assert (outcome.sent, outcome.failed) == ((files[0],), (files[1],))
    assert outcome.reason == "ERROR no route to host"


@pytest.mark.slow
def test_wandb_itself_sends_the_history_of_each_run_to_a_server(tmp_path: Path) -> None:
    with no_account(tmp_path) as patch, fake_wandb() as server:
        import wandb

        patch.setenv("WANDB_SILENT", "true")
        for run_id in ("aaa", "bbb"):
            folder = tmp_path / "runs" / run_id
            folder.mkdir(parents=True)
            run = wandb.init(dir=str(folder), id=run_id, project="initlab", mode="offline")
            for epoch in range(3):
                run.log({"epoch": epoch, "val/acc": 0.1 * epoch}, step=epoch, commit=True)
            run.finish()
        wandb.teardown()
        patch.setenv("WANDB_BASE_URL", server.url)
        patch.setenv("WANDB_API_KEY", "x" * 40)
        files = sync.offline_files(tmp_path)
        outcome = sync.send(files, 2)
        assert len(outcome.sent) == 2, outcome.reason
        for run_id in ("aaa", "bbb"):
            rows = [server.history[run_id][line] for line in sorted(server.history[run_id])]
            assert [(row["epoch"], row["val/acc"]) for row in rows] == [(e, 0.1 * e) for e in range(3)]
        assert [path for path in files if not sync.is_sent(path)] == []
