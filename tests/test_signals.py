"""Signals are noted and given back."""

import os
import signal
import threading

import pytest

from photometry.signals import ASKING, StopSignals


def test_signals_are_noted_and_handlers_given_back():
    before = [signal.getsignal(number) for number in ASKING]
    heard = []
    with StopSignals(heard.append) as stop:
        assert stop.last is None
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert stop.last is signal.SIGUSR1
    assert heard == [signal.SIGTERM, signal.SIGUSR1]
    assert [signal.getsignal(number) for number in ASKING] == before


def test_a_second_interrupt_is_obeyed():
    with StopSignals(lambda number: None) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.last is signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_other_threads_leave_signals_alone():
    seen = []

    def work():
        with StopSignals(seen.append):
            seen.append(signal.getsignal(signal.SIGTERM))
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
