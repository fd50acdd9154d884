"""Signals that ask a program to stop in good order."""

from __future__ import annotations

import signal
import threading

ASKING = signal.SIGTERM, signal.SIGINT, signal.SIGUSR1


class StopSignals:
    """While open, SIGTERM, SIGUSR1 and the first SIGINT are only noted.

    A second SIGINT raises KeyboardInterrupt at once. Outside the main thread
    signals are left alone.

    Parameters
    ----------
    heard : callable
        Called with every `signal.Signals` that is noted.

    Attributes
    ----------
    last : signal.Signals or None
        The latest of them.
    """

    def __init__(self, heard):
        self.last = None
        self._heard = heard
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in ASKING:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        if number == self.last == signal.SIGINT:
            raise KeyboardInterrupt
        self.last = signal.Signals(number)
        self._heard(self.last)


def ignore():
    """Leave stopping to another process, whose signals reach this one, too."""
    for number in ASKING:
        signal.signal(number, signal.SIG_IGN)
