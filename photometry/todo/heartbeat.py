"""A sign of life at regular intervals while the scheduler does something else."""

from __future__ import annotations

import logging
import threading

import sqlalchemy as sa

logger = logging.getLogger(__name__)


class Heartbeat:
    """Calls ``beat`` every few seconds in a thread, as a context manager.

    Parameters
    ----------
    beat : callable
        What it raises as a database error is logged; the next beat tries again.
    interval : float
        Seconds.
    """

    def __init__(self, beat, interval):
        self._beat, self._interval = beat, interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, name='heartbeat', daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._ended.set()
        self._thread.join(5)  # a server that is away may keep it longer; it ends with the process

    def _live(self):
        while not self._ended.wait(self._interval):
            try:
                self._beat()
            except sa.exc.DBAPIError as error:
                logger.debug('A heartbeat failed: %s', error.orig)
