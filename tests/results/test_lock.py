"""One run, one writer."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from initlab.results.lock import Held, Lock

BEAT = 0.05
HOLD = """
import sys, time
from pathlib import Path
from initlab.results.lock import Held, Lock
try:
    with Lock(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(float(sys.argv[2]))
except Held as held:
    print(held, flush=True)
"""


def holder(folder: Path, seconds: float) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HOLD, str(folder), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def write_lock(folder: Path, number: int = 1, age_s: float = 0.0, **owner: object) -> Path:
    content = {"host": "elsewhere", "pid": 1, "started": "1", "job": "12_3", "place": "elsewhere"} | owner
    path = folder / f"lock.{number}"
    path.write_text(json.dumps(content))
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


def test_a_lock_given_back_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(3):
        with Lock(tmp_path) as lock:
            lock.check()
    assert [path.name for path in tmp_path.iterdir()] == ["lock.3"]


def test_a_live_process_is_not_disturbed_and_a_killed_one_is_succeeded_at_once(tmp_path: Path) -> None:
    process = holder(tmp_path, 60)
    assert first_line(process) == "held"
    with pytest.raises(Held, match=rf"{tmp_path.name} is being carried out by process {process.pid} on "):
        Lock(tmp_path).__enter__()
    process.send_signal(signal.SIGKILL)
    # Before it is waited for it is a zombie, which writes nothing either.
    time.sleep(0.2)
    with Lock(tmp_path) as lock:
        lock.check()
    process.communicate()


@pytest.mark.parametrize("dead", [False, True])
def test_of_many_that_try_at_once_one_wins(tmp_path: Path, dead: bool) -> None:
    if dead:
        write_lock(tmp_path, number=7, place=owner_here(tmp_path)["place"], pid=os.getpid(), started="0")
    won, start = [], threading.Barrier(8)

    def try_it() -> None:
        start.wait()
        try:
            Lock(tmp_path, beat_s=BEAT).__enter__()
        except Held:
            return
        won.append(1)

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [1]


def owner_here(folder: Path) -> dict[str, object]:
    probe = folder / "probe"
    probe.mkdir()
    with Lock(probe):
        content: dict[str, object] = json.loads((probe / "lock.1").read_text())
    return content


def test_a_later_process_of_the_same_pid_is_not_taken_for_the_writer(tmp_path: Path) -> None:
    here = owner_here(tmp_path)
    write_lock(tmp_path, **{**here, "started": "0"})
    with Lock(tmp_path) as lock:
        lock.check()
    write_lock(tmp_path, number=3, **here)  # the control: this very process
    with pytest.raises(Held):
        Lock(tmp_path).__enter__()


def test_another_host_is_believed_while_its_heartbeat_is_young(tmp_path: Path) -> None:
    write_lock(tmp_path, age_s=30)
    with pytest.raises(Held, match=r"process 1 on elsewhere \(job 12_3\)"):
        Lock(tmp_path, beat_s=BEAT).__enter__()


@pytest.mark.parametrize("jump_s", [-7200, 7200])
def test_a_silent_lock_of_another_host_is_taken_over_whatever_the_clock_says(
    tmp_path: Path, jump_s: float
) -> None:
    write_lock(tmp_path, age_s=jump_s)
    with Lock(tmp_path, beat_s=BEAT) as lock:
        lock.check()


@pytest.mark.parametrize("jump_s", [-7200, 7200])
def test_a_clock_that_jumps_does_not_kill_a_live_lock_of_another_host(tmp_path: Path, jump_s: float) -> None:
    path = write_lock(tmp_path, age_s=jump_s)
    over = threading.Event()

    def beat() -> None:
        then = time.time() - jump_s
        while not over.wait(BEAT / 2):
            then += BEAT / 2
            os.utime(path, (then, then))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(Held):
            Lock(tmp_path, beat_s=BEAT).__enter__()
    finally:
        over.set()
        thread.join()


def test_a_lock_cut_short_while_it_was_made_is_judged_by_its_age(tmp_path: Path) -> None:
    path = tmp_path / "lock.1"
    path.write_text('{"ho')
    with pytest.raises(Held, match="another process"):
        Lock(tmp_path, beat_s=BEAT).__enter__()
    os.utime(path, (1e9, 1e9))
    with Lock(tmp_path, beat_s=BEAT) as lock:
        lock.check()


def test_a_writer_that_was_taken_for_dead_learns_of_it(tmp_path: Path) -> None:
    with Lock(tmp_path) as lock:
        write_lock(tmp_path, number=2)
        with pytest.raises(Held, match="taken over by process 1 on elsewhere"):
            lock.check()
