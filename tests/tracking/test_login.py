"""Whether there is a login is read as wandb reads it, without wandb."""

from pathlib import Path

import pytest

from initlab.tracking.login import logged_in


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def test_a_key_in_the_environment_is_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not logged_in()
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    assert logged_in()


def test_a_netrc_entry_counts_for_the_host_it_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine github.com login me password secret\n")
    netrc.chmod(0o600)
    assert not logged_in()
    with netrc.open("a") as file:
        file.write("machine wandb.lab.org login user password key\n")
    assert not logged_in()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.lab.org")
    assert logged_in()
    netrc.write_text("machine")
    assert not logged_in()
