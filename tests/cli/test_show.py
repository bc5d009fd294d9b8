"""``show`` tells all that is known of a run."""

from typing import Any

from initlab.results.store import Store


def test_shows_config_metrics_versions_and_folder(type_: Any, store: Store) -> None:
    stdout = type_("show", "aa1").stdout
    for words in (
        "run aa11: ok",
        "best/val_acc  0.75",
        "    depth: 10",
        "torch  2.13.0",
        "abcdef with changes",
    ):
        assert words in stdout
    assert "2 MiB" in stdout
    assert str(store.folder("aa11").path) in stdout
    assert "error" not in stdout


def test_shows_the_error_of_a_crash_and_where_its_traceback_lies(type_: Any, store: Store) -> None:
    stdout = type_("show", "cc").stdout
    assert "ValueError: boom" in stdout
    assert str(store.folder("cc33").error_path) in stdout
    assert "train/loss  not finite" in stdout


def test_a_run_without_a_result_shows_what_it_was_started_with(type_: Any, store: Store) -> None:
    result = type_("show", "dd44")
    assert result.exit_code == 0
    assert "no result; it is still running, or was killed" in result.stdout
    assert "lr: 0.3" in result.stdout
