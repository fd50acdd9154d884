"""Do the same to many frames, in this process or in several."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections import deque

from photometry.core.errors import DrainedError

logger = logging.getLogger(__name__)

_context = None
"""What a worker process was given at its start."""


class FramePool:
    """Calls ``work(context, item)`` for many items, results in the order of the items.

    Parameters
    ----------
    work : callable
        A function of a module, so that it can travel.
    context : object
        Handed to every call; sent once to each process.
    workers : int
        Processes; with one the calls are made here.
    least, items : int
        With fewer items than the least, processes cost more than they save.
    """

    def __init__(self, work, context, workers=1, least=0, items=0):
        self._work, self._here = work, context
        self._workers = workers if items >= least else 1
        self._executor = None

    def __enter__(self):
        if self._workers > 1:
            import multiprocessing
            from concurrent.futures import ProcessPoolExecutor
            # not spawn: a parent that sends its context to a process just killed would wait for ever
            self._executor = ProcessPoolExecutor(
                self._workers, multiprocessing.get_context('forkserver'), _begin,
                (self._here, logging.getLogger('photometry').level))
        return self

    def __exit__(self, *exception):
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    def map(self, items):
        """Yield (item, result), keeping only a few results in memory.

        Raises
        ------
        DrainedError
            When a worker process was killed, be it while it started.
        """
        if self._executor is None:
            for item in items:
                yield item, self._work(self._here, item)
            return
        from concurrent.futures.process import BrokenProcessPool
        waiting = deque()
        try:
            for item in items:
                waiting.append((item, self._executor.submit(_call, self._work, item)))
                if len(waiting) > 2 * self._workers:
                    yield _result(waiting.popleft())
            while waiting:
                yield _result(waiting.popleft())
        except (BrokenProcessPool, ConnectionError, EOFError) as error:
            raise DrainedError('A worker process was killed, perhaps for want of memory; the same command '
                               'continues, best with fewer --workers.') from error


def _result(entry):
    item, future = entry
    return item, future.result()


def _begin(context, level):
    """Start of a worker process: it obeys its parent alone and ends with it."""
    global _context
    _context = context
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    logging.getLogger('photometry').setLevel(level)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent():
    import multiprocessing
    multiprocessing.parent_process().join()
    os._exit(1)


def _call(work, item):
    return work(_context, item)
