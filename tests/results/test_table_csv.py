import csv
from pathlib import Path

import pytest

from initlab.results.atomic import OutputError
from initlab.results.table_csv import write_table


def test_a_number_comes_back_to_the_last_bit_and_none_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_table(path, [{"layer": "a,b", "x": 0.1 + 0.2, "y": None}, {"layer": "c", "x": 1e-31, "z": 3}])
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["layer", "x", "y", "z"]
    assert rows[0] == {"layer": "a,b", "x": repr(0.1 + 0.2), "y": "", "z": ""}
    assert float(rows[1]["x"]) == 1e-31
    assert rows[1]["z"] == "3"


def test_a_table_replaces_the_one_before(tmp_path: Path) -> None:
    for value in (1, 2):
        write_table(tmp_path / "t.csv", [{"x": value}])
    assert (tmp_path / "t.csv").read_text() == "x\n2\n"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*t\.csv"):
        write_table(tmp_path / "no" / "t.csv", [{"x": 1}])
