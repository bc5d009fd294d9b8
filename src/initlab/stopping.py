"""A request from outside to stop: the signals by which a scheduler, a timeout or a person ends a run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR2)


class Stopped(BaseException):
    """The run was asked to stop. No ``except Exception`` catches it."""


_requested: str | None = None
_deferred = False
_together = False
_agreed: str | None = None


@contextmanager
def listening() -> Iterator[None]:
    """Raise :class:`Stopped` in this block when SIGTERM or SIGUSR2 comes, or defer it (:func:`deferred`).

    Outside the main thread, where Python gives no signals, nothing changes.
    """
    global _requested
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _requested = None
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        listen()
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def listen() -> None:
    """Take the signals, also back from a library that took them."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, _heard)


@contextmanager
def deferred(together: bool = False) -> Iterator[None]:
    """Within this block remember a request instead of raising it; the block asks :func:`requested`.

    Args:
        together: the processes of the block stop together, at what they agree on (:func:`agree`).
    """
    global _deferred, _together, _agreed
    before = _deferred, _together, _agreed
    _deferred, _together, _agreed = True, together, None
    try:
        yield
    finally:
        _deferred, _together, _agreed = before


def agree(everyones: Callable[[str | None], str | None]) -> None:
    """Let :func:`requested` return, until the next call, what all processes make of their own requests.

    Args:
        everyones: called with this process's own, returns the same in all of them.
    """
    global _agreed
    _agreed = everyones(_requested)


def requested() -> str | None:
    """Return the name of the signal that asked to stop, if one did."""
    return _agreed if _together else _requested


def _heard(number: int, frame: FrameType | None) -> None:
    global _requested
    _requested = signal.Signals(number).name
    if not _deferred:
        raise Stopped(f"stopped by {_requested}")
