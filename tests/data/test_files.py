import io
import socket
from http.client import IncompleteRead

import pytest

from initlab.data import files
from initlab.data.files import Layout, fetch, located, network_timeout, read_or_fetch


def layout(root):
    return Layout("The set", root, [root / "set" / "a", root / "set" / "b"], {root / "set.tar": "0" * 32})


def never(download):
    raise AssertionError("nothing should be read")


def test_the_root_comes_before_its_torchvision_folder(tmp_path):
    assert located(tmp_path, "set", "set.tar") == tmp_path
    (tmp_path / "torchvision" / "set").mkdir(parents=True)
    assert located(tmp_path, "set", "set.tar") == tmp_path / "torchvision"
    (tmp_path / "set.tar").touch()
    assert located(tmp_path, "set", "set.tar") == tmp_path


def test_files_that_are_there_are_read_without_a_download(tmp_path):
    (tmp_path / "set").mkdir()
    for name in "ab":
        (tmp_path / "set" / name).touch()
    assert read_or_fetch(lambda download: download, layout(tmp_path), download=True) is False


def test_a_half_set_is_not_completed(tmp_path, sentence):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a").touch()
    text = sentence(lambda: read_or_fetch(never, layout(tmp_path), download=True))
    assert "b is missing" in text


def test_nothing_there_and_no_download_names_the_folder_and_the_way_out(tmp_path, sentence):
    text = sentence(lambda: read_or_fetch(never, layout(tmp_path), download=False))
    assert text == (
        f"The set is not in {tmp_path} and data.download=false: put set there, set paths.data_dir to the "
        "folder that holds it, or use data=digits, which needs no files"
    )


@pytest.mark.parametrize("error", [OSError("no route\nto host"), RuntimeError("md5"), IncompleteRead(b"")])
def test_a_download_that_fails_is_one_sentence(tmp_path, error, sentence):
    def make(download):
        assert download
        raise error

    assert "could not be downloaded" in sentence(lambda: read_or_fetch(make, layout(tmp_path), True))


def test_a_mistake_in_the_program_keeps_its_traceback(tmp_path):
    def make(download):
        raise TypeError("a bug")

    with pytest.raises(TypeError):
        read_or_fetch(make, layout(tmp_path), download=True)


def test_connections_give_up_and_the_setting_is_put_back():
    before = socket.getdefaulttimeout()
    with network_timeout():
        assert socket.getdefaulttimeout() == files.TIMEOUT_S
    assert socket.getdefaulttimeout() == before


def test_fetches_a_file_and_knows_when_there_is_none(server, tmp_path):
    served, url = server
    (served / "set").write_bytes(b"content")
    assert fetch(f"{url}/set", tmp_path / "new" / "set")
    assert (tmp_path / "new" / "set").read_bytes() == b"content"
    assert not fetch(f"{url}/other", tmp_path / "new" / "other")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["set"]


def test_a_broken_connection_leaves_no_file(tmp_path, monkeypatch):
    class Broken(io.BytesIO):
        def read(self, *args):
            raise IncompleteRead(b"half")

    monkeypatch.setattr(files, "urlopen", lambda url: Broken())
    with pytest.raises(IncompleteRead):
        fetch("http://127.0.0.1/set", tmp_path / "set")
    assert not list(tmp_path.iterdir())
