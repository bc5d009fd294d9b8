"""``python -m initlab wandb ...``: what is missing is told in a sentence, and what is there is sent once."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from initlab.results.store import Store
from initlab.tracking import sync


@pytest.fixture(autouse=True)
def no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture
def offline(tmp_path: Path) -> Path:
    path = tmp_path / "runs" / "aa11" / "wandb" / "offline-run-20260101_000000-aa11" / "run-aa11.wandb"
    path.parent.mkdir(parents=True)
    path.write_bytes(b":W&B")
    return path


def refused(result: Any) -> str:
    assert result.exit_code == 2
    assert result.stderr.startswith("initlab: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_nothing_offline_is_a_sentence(type_: Any, tmp_path: Path) -> None:
    assert "there is no offline W&B run in" in refused(type_("wandb", "sync"))


def test_sending_without_a_login_is_a_sentence(type_: Any, offline: Path) -> None:
    told = refused(type_("wandb", "sync"))
    assert "1 runs wait to be sent, but this machine is not logged in to W&B (`wandb login`" in told


def test_sync_sends_once_and_says_what_it_did(
    type_: Any, offline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    touch = (
        "import pathlib, sys; [pathlib.Path(w + '.synced').touch() for w in sys.argv if w.endswith('.wandb')]"
    )
    monkeypatch.setattr(sync, "COMMAND", (sys.executable, "-c", touch))
    assert type_("wandb", "sync", "-j", "2").stdout == "sent 1 runs, 0 were sent before\n"
    monkeypatch.setattr(sync, "COMMAND", (sys.executable, "-c", "raise SystemExit(1)"))
    assert type_("wandb", "sync").stdout == "nothing to send: 1 were sent before\n"
    offline.with_suffix(".wandb.synced").unlink()
    monkeypatch.setattr(sync, "COMMAND", (sys.executable, "-c", "print('wandb: ERROR no network')"))
    told = refused(type_("wandb", "sync"))
    assert "1 runs were not sent (ERROR no network); the same command tries them again" in told


def test_a_report_that_is_not_there_is_a_sentence(type_: Any, store: Store) -> None:
    assert "`report nope` writes it" in refused(type_("wandb", "upload", "nope"))


def test_an_unknown_experiment_is_a_sentence(type_: Any) -> None:
    assert "there is no experiment=quikstart; did you mean quickstart?" in refused(
        type_("wandb", "workspace", "quikstart")
    )


def test_a_missing_package_is_a_sentence(type_: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "wandb_workspaces"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    assert "pip install 'initlab[workspaces]'" in refused(type_("wandb", "workspace", "quickstart"))


def test_a_workspace_is_written_checked_and_without_a_login_not_saved(type_: Any, tmp_path: Path) -> None:
    pytest.importorskip("wandb_workspaces")
    result = type_("wandb", "workspace", "quickstart")
    assert result.exit_code == 0, result.stderr
    assert "quickstart: 8 panels over 45 runs" in result.stdout
    assert "the dashboards were not saved: this machine is not logged in" in result.stdout
    written = json.loads((tmp_path / "report" / "quickstart.workspace.json").read_text())
    assert list(written) == ["quickstart", "quickstart: diverged runs"]
