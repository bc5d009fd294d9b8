"""The table of metrics grows by rows and columns, and a row is there whole or not at all."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from initlab.results import atomic
from initlab.results.metrics_csv import MetricsCsv

rows = st.lists(
    st.dictionaries(
        st.sampled_from(["epoch", "train/loss", "val/acc"]),
        st.none() | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False),
        min_size=1,
    ),
    max_size=6,
)


@settings(deadline=None)
@given(rows)
def test_every_row_reads_back_with_all_digits(tmp_path_factory: Any, rows: list[dict[str, Any]]) -> None:
    table = MetricsCsv(tmp_path_factory.mktemp("table") / "metrics.csv")
    for row in rows:
        table.append(row)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    assert table.rows() == [{name: row.get(name) for name in columns} for row in rows]


@pytest.fixture
def table(tmp_path: Path) -> MetricsCsv:
    table = MetricsCsv(tmp_path / "metrics.csv")
    for epoch in range(4):
        table.append({"epoch": epoch, "train/loss": 1 / (epoch + 1)})
    return table


def test_a_new_metric_is_a_new_column_and_empty_before(table: MetricsCsv) -> None:
    table.append({"epoch": 4, "val/acc": 0.5})
    assert table.rows()[0] == {"epoch": 0, "train/loss": 1.0, "val/acc": None}
    assert table.rows()[4] == {"epoch": 4, "train/loss": None, "val/acc": 0.5}
    assert table.path.read_text().splitlines()[0] == "epoch,train/loss,val/acc"


def test_a_resumed_run_writes_its_epochs_anew(table: MetricsCsv) -> None:
    table.truncate(2)
    assert [row["epoch"] for row in table.rows()] == [0, 1]
    MetricsCsv(table.path).append({"epoch": 2, "train/loss": 0.0})
    assert table.rows()[-1] == {"epoch": 2, "train/loss": 0.0}


def test_a_row_cut_off_by_a_kill_is_dropped(table: MetricsCsv) -> None:
    whole = table.path.read_bytes()
    for cut in range(1, 6):
        table.path.write_bytes(whole[:-cut])
        assert [row["epoch"] for row in table.rows()] == [0, 1, 2]
    table.append({"epoch": 3, "train/loss": 9})
    assert [row["train/loss"] for row in table.rows()] == [1.0, 1 / 2, 1 / 3, 9]


def test_a_diverged_loss_is_kept(table: MetricsCsv) -> None:
    table.append({"epoch": 4, "train/loss": float("inf")})
    assert table.rows()[-1]["train/loss"] == float("inf")


def test_nothing_is_there_before_the_first_row(tmp_path: Path) -> None:
    table = MetricsCsv(tmp_path / "metrics.csv")
    table.truncate(0)
    assert table.rows() == []
    assert not table.path.exists()


def test_a_rewrite_that_fails_keeps_the_old_table(table: MetricsCsv, monkeypatch: pytest.MonkeyPatch) -> None:
    before = table.path.read_text()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(atomic.OutputError):
        table.append({"epoch": 4, "val/acc": 0.5})
    assert table.path.read_text() == before
