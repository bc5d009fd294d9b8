"""One run in several processes that start together and end together.

The process that holds the run's lock and writes its result trains nothing. It starts the ranks
(:mod:`initlab.sweep.rank`), or in a SLURM job of several tasks lets each task start one
(:mod:`initlab.sweep.turns`). It passes on the signals that ask to stop, and when a rank fails it ends those
that wait for it: no rank hangs, and what failed first is what is told.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from math import inf
from multiprocessing.connection import Connection, wait
from typing import Any

from initlab.errors import ConfigError, InitlabError, Refused
from initlab.progress import Display, progress
from initlab.stopping import Stopped, deferred, requested
from initlab.sweep.ending import Ending
from initlab.sweep.ranks import Ranks
from initlab.sweep.slots import THREADS, environment
from initlab.sweep.turns import Turn, Turns
from initlab.sweep.wire import Drawn

SETTLE_S = 0.5  # after the failure of a rank, for those that fail by it
GRACE_S = 10.0  # then, for the others to end when they are told to
STOP_GRACE_S = 50.0  # from asking the ranks to stop to killing them; less than the pool's own
POLL_S = 0.2


class RankCrashed(Exception):
    """A rank raised; the message names it.

    Args:
        ending: of the rank that was first.
        tracebacks: of all that crashed, in the order of time.
    """

    def __init__(self, ending: Ending, tracebacks: str) -> None:
        super().__init__(f"{ending.message} (rank {ending.rank})")
        self.tracebacks = tracebacks


def in_group(function: str, config: Mapping[str, Any], ranks: Ranks) -> Any:
    """Call a function with a configuration in several processes; return what it returns in that of rank 0.

    Each process finds ``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``, ``MASTER_ADDR`` and ``MASTER_PORT`` set.

    Args:
        function: ``module:function``.
        config: its argument.
        ranks: how many processes.

    Raises:
        RankCrashed: a rank raised.
        Stopped: a rank was killed, or a signal asked to stop.
        KeyboardInterrupt: Ctrl-C; the ranks were asked to stop, and killed by a second one.
        InitlabError: a rank says that the configuration, the data or the output folder is at fault.
    """
    turns = Turns.of_environment(os.environ)
    if turns is None and ranks.nodes > 1:
        raise ConfigError(
            f"trainer.num_nodes={ranks.nodes}: only hydra/launcher=slurm starts processes on several nodes"
        )
    address = "127.0.0.1" if turns is None else turns.address
    group = {"MASTER_ADDR": address, "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(ranks.total)}
    with ExitStack() as stack:
        display = stack.enter_context(progress())
        stack.enter_context(deferred())
        turn = None if turns is None else stack.enter_context(turns.announce(function, config, group))
        here = ranks.per_node if turns is None else 1
        members: list[Member] = []
        for rank in range(here):
            place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "NODE_RANK": "0"}
            member = Member(function, config, rank, group | place | threads(here), display)
            stack.callback(member.close)
            members.append(member)
        interrupts, endings = _watch(members, turn)
        return _told(members[0], endings, interrupts)


def attend(turns: Turns, place: Mapping[str, str], heard: Sequence[int]) -> None:
    """Take part, as a task of a SLURM job that is not its first, in each run that the first announces.

    Args:
        turns: where the tasks meet.
        place: ``RANK``, ``LOCAL_RANK`` and ``NODE_RANK`` of this one.
        heard: signals that ask to stop, as they come.
    """
    number = 0
    with progress() as display:
        while not turns.closed:
            turn = turns.turn(number)
            order = turn.order()
            if order is None:
                time.sleep(POLL_S)
                continue
            number += 1
            if not turn.over:
                _take_part(turn, order, place, heard, display)


def _take_part(
    turn: Turn, order: Mapping[str, Any], place: Mapping[str, str], heard: Sequence[int], display: Display
) -> None:
    """Carry out one rank of a run, which ends with the run; leave word where it fails."""
    group = order["group"] | place | threads(1)
    member = Member(order["function"], order["config"], int(place["RANK"]), group, display)
    passed_on, kill_at = 0, inf
    try:
        while member.open:
            wait([member.pipe], timeout=POLL_S)
            member.read()
            for number in heard[passed_on:]:
                member.ask("SIGUSR2" if number == signal.SIGUSR2 else "SIGTERM")
            passed_on = len(heard)
            if turn.over:
                kill_at = min(kill_at, time.monotonic() + GRACE_S)
            if time.monotonic() > kill_at:
                member.kill()
        if member.failed and member.ending is not None:
            turn.leave(member.ending)
    finally:
        member.close()
    while not turn.over:
        time.sleep(POLL_S)


def threads(processes: int) -> dict[str, str]:
    """Share the cores out among processes, where nothing says how many threads each has."""
    share = str(max(1, len(os.sched_getaffinity(0)) // processes))
    return {name: os.environ.get(name, share) for name in THREADS}


class Member:
    """The process of one rank, seen from the one that started it.

    Args:
        function: ``module:function``, that the rank calls.
        config: with this.
        rank: its number.
        place: variables that tell it its place in the group.
        display: where its bars are shown.
    """

    def __init__(
        self, function: str, config: Mapping[str, Any], rank: int, place: Mapping[str, str], display: Display
    ) -> None:
        self.rank, self.value = rank, None
        self.ending: Ending | None = None
        self.drawn = Drawn(display)
        self.open, self.dismissed = True, False
        near, far = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.rank", str(far.fileno()), function],
            env=environment(place),
            pass_fds=[far.fileno()],
            stdin=subprocess.DEVNULL,
        )
        far.close()
        self.pipe = Connection(near.detach())
        with suppress(OSError):
            self.pipe.send((rank, dict(config)))

    @property
    def failed(self) -> bool:
        """Whether it has ended in another way than by returning."""
        return self.ending is not None and self.ending.kind != "returned"

    def read(self) -> None:
        """Take what it sent; once its pipe is closed, see how it ended."""
        try:
            while self.open and self.pipe.poll():
                kind, content = self.pipe.recv()
                if kind == "draw":
                    self.drawn.draw(*content)
                else:
                    self.ending, self.value = content
        except (EOFError, OSError):
            self.open = False
            code = self.process.wait()
            if self.ending is None:
                how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
                self.ending = Ending(
                    self.rank, "died", f"rank {self.rank} ended with {how}", time=time.time()
                )

    def ask(self, name: str) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.Signals[name])

    def dismiss(self) -> None:
        """Ask it to end because another has failed; what comes of that is no failure of its own."""
        if self.open and self.ending is None and not self.dismissed:
            self.dismissed = True
            self.ask("SIGTERM")

    @property
    def told(self) -> list[Ending]:
        """How it ended, if it did so by itself."""
        own = self.ending is not None and not (self.dismissed and self.ending.kind in ("stopped", "died"))
        return [self.ending] if own and self.ending is not None else []

    def kill(self) -> None:
        """End it; that is then no ending of its own."""
        if self.open:
            self.process.kill()
            self.process.wait()
            self.open = False

    def close(self) -> None:
        """End it if it has not ended, and take its bars away."""
        self.kill()
        self.drawn.clear()
        self.pipe.close()


def _watch(members: Sequence[Member], turn: Turn | None) -> tuple[int, list[Ending]]:
    """Wait until all ranks have ended; return how often Ctrl-C came, and the endings."""
    interrupts, asked, dismiss_at, kill_at = 0, False, inf, inf
    elsewhere: list[Ending] = []
    while any(member.open for member in members):
        try:
            wait([member.pipe for member in members if member.open], timeout=POLL_S)
        except KeyboardInterrupt:
            interrupts += 1
        for member in members:
            member.read()
        elsewhere = [] if turn is None else turn.failures()
        now = time.monotonic()
        if (interrupts or requested()) and not asked:
            asked, kill_at = True, now + STOP_GRACE_S
            for member in members:
                member.ask(requested() or "SIGTERM")
        # Rank 0 may take its time to return, for a logger's last upload; the others have nothing left to do.
        kinds = {ending.kind for ending in (*elsewhere, *(m.ending for m in members if m.ending is not None))}
        if kinds - {"returned", "stopped"} or _returned(members[0]):
            dismiss_at, kill_at = min(dismiss_at, now + SETTLE_S), min(kill_at, now + SETTLE_S + GRACE_S)
        elif "stopped" in kinds:  # together: a large checkpoint takes its time
            kill_at = min(kill_at, now + STOP_GRACE_S)
        if now > dismiss_at:
            for member in members:
                member.dismiss()
        if now > kill_at or interrupts > 1:
            for member in members:
                member.kill()
    if turn is not None and any(m.ending is not None and m.ending.kind == "crashed" for m in members):
        elsewhere = turn.failures(wait_s=GRACE_S)  # that of another task may be the cause
    return interrupts, [ending for member in members for ending in member.told] + elsewhere


def _returned(member: Member) -> bool:
    return member.ending is not None and member.ending.kind == "returned"


def _told(first: Member, endings: Sequence[Ending], interrupts: int) -> Any:
    """Return the value of rank 0, or raise what ended the group."""
    if interrupts:
        raise KeyboardInterrupt
    failed = sorted((ending for ending in endings if ending.kind != "returned"), key=lambda e: e.time)
    if not failed and _returned(first):
        return first.value
    of_kind = {ending.kind: ending for ending in reversed(failed)}  # the first of each
    if "stopped" in of_kind:
        raise Stopped(of_kind["stopped"].message)
    if (name := requested()) is not None:
        raise Stopped(f"stopped by {name}")
    if "died" in of_kind:  # the others lost their connection to it
        raise Stopped(of_kind["died"].message)
    if not failed:
        raise Stopped("rank 0 was killed, for it did not end with the others")
    cause = failed[0]
    if cause.kind == "refused":
        raise Refused(cause.message)
    if cause.kind == "error":
        raise InitlabError(cause.message)
    told = [f"rank {e.rank}:\n{e.traceback}" for e in failed if e.traceback]
    raise RankCrashed(cause, "\n".join(told))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port
