"""A pipe gets every word on one line; a terminal gets a table that fits it."""

import io
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from initlab.cli import console
from initlab.cli.console import Rows, print_

words = st.text("ab1.γ", min_size=1, max_size=5)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(content: Any, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    print_(content)
    return stream.getvalue()


@given(st.lists(st.tuples(words, words, words), max_size=5))
def test_plain_rows_keep_every_word_and_align_the_columns(rows: list[tuple[str, str, str]]) -> None:
    text = Rows(("name", "number", "end"), frozenset({"number"}), {}, [list(row) for row in rows]).plain()
    lines = text.split("\n")
    assert [line.split() for line in lines] == [["name", "number", "end"], *map(list, rows)]
    ends = {
        line.index(row[1], max(4, len(row[0]))) + len(row[1])
        for line, row in zip(lines[1:], rows, strict=True)
    }
    assert len(ends) <= 1  # numbers end in one column


def test_a_pipe_gets_no_colours_and_no_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(("id", "status"), frozenset(), {"ok": "green"}, [["a" * 300, "ok"]])
    assert printed(rows, io.StringIO(), monkeypatch).split("\n")[1] == "a" * 300 + "   ok"
    assert printed(Text("b" * 300, style="bold"), io.StringIO(), monkeypatch) == "b" * 300 + "\n"


def test_a_terminal_gets_colours_and_lines_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(("id", "status"), frozenset(), {"ok": "green"}, [["a" * 60, "ok"]])
    shown = printed(rows, Terminal(), monkeypatch)
    assert "\x1b[32mok" in shown
    assert "a" * 41 not in shown


def test_a_terminal_gets_plain_lines_where_a_table_would_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(("id",), frozenset(), {"ok": "green"}, [["ok"]] * (console.MANY + 1))
    assert "\x1b" not in printed(rows, Terminal(), monkeypatch)
