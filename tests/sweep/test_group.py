"""The processes of a run end together, whatever becomes of one, and the first cause is what is told."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from initlab.errors import ConfigError, InitlabError, Refused
from initlab.stopping import Stopped, listening
from initlab.sweep import group
from initlab.sweep.group import RankCrashed, in_group
from initlab.sweep.ranks import Ranks


def together(folder: Path, *acts: str) -> Any:
    return in_group("together:run", {"acts": acts, "folder": str(folder)}, Ranks(len(acts)))


def pids(folder: Path) -> list[int]:
    return [int(path.read_text()) for path in sorted(folder.iterdir())]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "GRACE_S", 0.7)


def test_each_process_is_told_its_place_and_the_first_ones_value_is_returned(tmp_path: Path) -> None:
    seen = together(tmp_path, "ok", "ok", "ok")
    assert seen == {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "3", "MASTER_ADDR": "127.0.0.1"}
    assert len(set(pids(tmp_path))) == 3


@pytest.mark.parametrize("acts", [("wait", "raise"), ("raise", "wait"), ("lose", "raise", "lose")])
def test_a_rank_that_raises_ends_the_others_and_is_named(tmp_path: Path, acts: tuple[str, ...]) -> None:
    with pytest.raises(RankCrashed) as caught:
        together(tmp_path, *acts)
    assert str(caught.value) == f"ValueError: out of luck (rank {acts.index('raise')})"
    assert "raise ValueError" in caught.value.tracebacks
    assert not any(map(alive, pids(tmp_path)))


@pytest.mark.parametrize(("act", "how"), [("kill", "signal SIGKILL"), ("exit", "exit code 7")])
@pytest.mark.parametrize("other", ["wait", "lose"])
def test_a_rank_that_dies_ends_the_others_as_killed(tmp_path: Path, act: str, how: str, other: str) -> None:
    with pytest.raises(Stopped, match=f"rank 1 ended with {how}"):
        together(tmp_path, other, act)
    assert not any(map(alive, pids(tmp_path)))


@pytest.mark.parametrize(("act", "kind"), [("refuse", Refused), ("mistake", InitlabError)])
def test_a_mistake_that_a_rank_finds_is_raised_here(tmp_path: Path, act: str, kind: type) -> None:
    with pytest.raises(kind):
        together(tmp_path, "wait", act)


def when_started(folder: Path, number: int, act: Any) -> None:
    """Act once so many ranks have started."""

    def wait() -> None:
        while len([path for path in folder.iterdir() if path.read_text()]) < number:
            time.sleep(0.01)
        time.sleep(0.2)
        act()

    threading.Thread(target=wait, daemon=True).start()


def test_a_request_to_stop_reaches_every_rank(tmp_path: Path) -> None:
    when_started(tmp_path, 2, lambda: os.kill(os.getpid(), signal.SIGUSR2))
    with listening():
        assert together(tmp_path, "listen", "listen") == "SIGUSR2"


def test_ranks_that_stop_together_say_where_however_long_they_take_to_end(tmp_path: Path) -> None:
    with listening(), pytest.raises(Stopped, match=r"^stopped by SIGUSR2 after step 7$"):
        together(tmp_path, "stop", "stop")


def test_ranks_deaf_to_the_request_are_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "STOP_GRACE_S", 0.5)
    when_started(tmp_path, 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with listening(), pytest.raises(Stopped, match="stopped by SIGTERM"):
        together(tmp_path, "wait", "wait")


def test_ctrl_c_asks_the_ranks_to_stop(tmp_path: Path) -> None:
    when_started(tmp_path, 2, lambda: os.kill(os.getpid(), signal.SIGINT))
    with listening(), pytest.raises(KeyboardInterrupt):
        together(tmp_path, "listen", "listen")
    assert not any(map(alive, pids(tmp_path)))


def test_no_rank_outlives_the_process_that_started_it(tmp_path: Path) -> None:
    code = f"""
from initlab.sweep.group import in_group
from initlab.sweep.ranks import Ranks
in_group("together:run", {{"acts": ["wait", "wait"], "folder": {str(tmp_path)!r}}}, Ranks(2))
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    end = time.monotonic() + 60
    while len([path for path in tmp_path.iterdir() if path.read_text()]) < 2:
        assert time.monotonic() < end
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    while any(map(alive, pids(tmp_path))):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_several_nodes_need_slurm(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^trainer.num_nodes=2: only hydra/launcher=slurm"):
        in_group("together:run", {"acts": [], "folder": str(tmp_path)}, Ranks(1, 2))


@pytest.mark.parametrize(
    ("trainer", "sentence"),
    [
        ({"devices": 0}, "trainer.devices=0: must be a whole number >= 1"),
        ({"devices": -1}, "trainer.devices=-1: must be a whole number >= 1"),
        ({"num_nodes": 0}, "trainer.num_nodes=0: must be a whole number >= 1"),
        ({"devices": 2, "strategy": "fsdp"}, "trainer.strategy=fsdp: can be auto or ddp"),
    ],
)
def test_what_is_no_number_of_processes_is_refused(trainer: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Ranks.of({"task": {"name": "fit"}, "trainer": trainer})


def test_devices_may_be_listed_and_only_a_fit_has_several() -> None:
    assert Ranks.of({"trainer": {"devices": [1, 3], "num_nodes": 2}}) == Ranks(2, 2)
    assert Ranks.of({"task": {"name": "probe"}, "trainer": {"devices": 2}}).total == 1
