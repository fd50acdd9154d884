"""Stop in good order when asked to: the same command goes on later."""

from __future__ import annotations

import logging
import signal

from photometry.core.errors import DrainedError
from photometry.signals import StopSignals

logger = logging.getLogger(__name__)


class Drain:
    """While active, signals only leave a wish to stop (see `photometry.signals.StopSignals`).

    Parameters
    ----------
    wish : callable, optional
        Called without arguments when a signal comes, for work that is to hear of it at once.
    """

    def __init__(self, wish=lambda: None):
        self._signals = StopSignals(self._heard)
        self._said, self._wish = False, wish

    def __enter__(self):
        self._signals.__enter__()
        return self

    def __exit__(self, *exception):
        self._signals.__exit__(*exception)

    def _heard(self, number):
        self._wish()
        if not self._said:
            logger.warning('Stopping after the work in hand; the same command continues.')
        self._said = True

    def check(self):
        """Stop here if that was asked for.

        Raises
        ------
        KeyboardInterrupt
            After SIGINT.
        DrainedError
            After another signal.
        """
        if self._signals.last == signal.SIGINT:
            raise KeyboardInterrupt
        if self._signals.last is not None:
            raise DrainedError('Stopped as asked; the same command continues the work.')
