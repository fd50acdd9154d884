"""Stop in good order when asked to: the same command goes on later."""

from __future__ import annotations

import logging
import signal
import threading

from photometry.core.errors import DrainedError

logger = logging.getLogger(__name__)


class Drain:
    """While active, SIGTERM, SIGUSR1 and the first SIGINT only leave a wish to stop.

    A second SIGINT stops at once. Outside the main thread signals are left alone.
    """

    def __init__(self):
        self.wish = None
        self._old = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
                self._old[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception):
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        if number == signal.SIGINT and self.wish == signal.SIGINT:
            raise KeyboardInterrupt
        if self.wish is None:
            logger.warning('Stopping after the work in hand; the same command continues.')
        self.wish = number

    def check(self):
        """Stop here if that was asked for.

        Raises
        ------
        KeyboardInterrupt
            After SIGINT.
        DrainedError
            After another signal.
        """
        if self.wish == signal.SIGINT:
            raise KeyboardInterrupt
        if self.wish is not None:
            raise DrainedError('Stopped as asked; the same command continues the work.')
