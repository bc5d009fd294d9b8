"""A reader finds the old file or the new one, never a part."""

import errno
import os
import threading
from pathlib import Path

import pytest

from initlab.results import atomic
from initlab.results.atomic import OutputError, make_folder, write_text


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "result.json"
    write_text(path, "old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OutputError, match=r"cannot write .*result\.json: no space left on device"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_is_interrupted_leaves_nothing_beside_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(source: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "result.json", "new")
    assert not list(tmp_path.iterdir())


def test_readers_see_whole_files_while_several_write(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    texts = [letter * 100_000 for letter in "abc"]
    write_text(path, texts[0])
    writers = [
        threading.Thread(target=lambda text=text: [write_text(path, text) for _ in range(20)])
        for text in texts
    ]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        seen.add(path.read_text())
    for writer in writers:
        writer.join()
    assert seen <= set(texts)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_the_way_of_a_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*outputs.*paths\.output_dir"):
        make_folder(tmp_path / "outputs" / "runs")
