"""Being asked to stop: signals and the stop file."""

from __future__ import annotations

import enum
import logging
import signal
import time
from pathlib import Path

from photometry.signals import StopSignals

logger = logging.getLogger(__name__)


_LOOK = 0.2
"""Seconds between two looks for the stop file."""


class Request(enum.Enum):
    """Who asked."""

    OUTSIDE = 'asked from outside'
    """SIGTERM, SIGUSR1 or the stop file."""
    KEYBOARD = 'interrupted'
    """SIGINT."""


def stop_path(todo) -> Path:
    """The file beside a todo file whose appearance stops its run."""
    todo = Path(todo)
    return todo.with_name(todo.name + '.stop')


class Stop:
    """Collects requests while it is open; call it for the first one, or None.

    A second SIGINT raises KeyboardInterrupt at once.

    Parameters
    ----------
    file : path-like
        The stop file.
    shared : bool
        Whether it is meant for every run that looks for it. The stop file of
        one run is removed when it is heeded, so that the next is not stopped.
    """

    def __init__(self, file, *, shared=False):
        self._file, self._shared = Path(file), shared
        self._request = None
        self._signals = StopSignals(self._hear)
        self._next_look = 0.0

    def __enter__(self):
        self._signals.__enter__()
        return self

    def __exit__(self, *exception):
        self._signals.__exit__(*exception)

    def __call__(self):
        """The first `Request`, None while there is none."""
        if self._request is None and self._file_appeared():
            if not self._shared:
                self._file.unlink(missing_ok=True)
            remark = ' (it stays there and stops every run until it is removed)' if self._shared else ''
            self._heed(Request.OUTSIDE, f'the stop file {self._file}{remark}')
        return self._request

    def _file_appeared(self):
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + _LOOK
        return self._file.exists()

    def _hear(self, number):
        self._heed(Request.KEYBOARD if number == signal.SIGINT else Request.OUTSIDE, number.name)

    def _heed(self, request, by):
        self._request = request
        logger.warning('Stopping because of %s: stars that run may end, no new one begins.', by)
