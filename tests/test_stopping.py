"""A request from outside to stop."""

import os
import signal

import pytest

from initlab.stopping import Stopped, deferred, listening, requested


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_stops_what_does_not_ask(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Stopped, match=f"stopped by {number.name}"), listening():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before
    assert requested() == number.name


def test_no_ordinary_handler_of_errors_swallows_it() -> None:
    assert not issubclass(Stopped, Exception)


def test_what_defers_goes_on_and_can_ask() -> None:
    with listening():
        assert requested() is None
        with deferred():
            os.kill(os.getpid(), signal.SIGUSR2)
            assert requested() == "SIGUSR2"
    with listening():  # a later run is not asked
        assert requested() is None
