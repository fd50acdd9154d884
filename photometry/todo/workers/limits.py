"""Limits of time and memory that a process sets itself for the star that it measures."""

from __future__ import annotations

import contextlib
import resource
import signal
import threading
import time

from photometry.core.errors import Reason
from photometry.core.status import STATUS
from photometry.core.task import Result

_TICK = 0.25
_SIZE = 0
"""Place of the size of the address space in /proc/self/statm, in pages."""


def timed_out(timeout) -> str:
    """What is said of a star that took too long."""
    return f'The star took longer than limits.timeout = {timeout:g} s.'


def one(work, task) -> Result:
    """The result of a star, also of one for which the memory did not suffice."""
    try:
        return work(task)
    except MemoryError:
        return Result(task, STATUS.ERROR, reason=Reason.MEMORY,
                      errors=('The star needs more memory than limits.memory allows.',))


def memory_now() -> int:
    """Bytes of address space that this process has taken."""
    with open('/proc/self/statm', encoding='ascii') as stream:
        return int(stream.read().split()[_SIZE]) * resource.getpagesize()


def limit_memory(limit):
    """Let the address space grow to so many bytes at most; as far as the hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard) if limit != resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


@contextlib.contextmanager
def limited_memory(limit):
    """`limit_memory` for a while; None for no limit."""
    if limit is None:
        yield
        return
    before, _ = resource.getrlimit(resource.RLIMIT_AS)
    limit_memory(limit)
    try:
        yield
    finally:
        limit_memory(before)


class StarInterrupted(BaseException):
    """Raised in the midst of a star; no part of photometry may catch it."""

    def __init__(self, why):
        super().__init__(why)
        self.why = why
        """``'timeout'`` or ``'drain'``."""


class Clock:
    """While open, interrupts a star whose time is up, as far as a process can do that to itself.

    An alarm looks at the time and at requests to stop. Its exception is raised
    between two steps of the interpreter: a call into a library that does not
    return is not interrupted, and outside the main thread nothing is.

    Parameters
    ----------
    timeout : float
        Seconds for the star; 0 for no limit.
    stop : callable or None
        A true value leaves the star ``grace`` seconds more.
    grace : float
    """

    def __init__(self, timeout, stop, grace):
        self._timeout, self._stop, self._grace = timeout, stop, grace
        self._works = threading.current_thread() is threading.main_thread()
        self._end_by = self._drain_by = None

    def __enter__(self):
        if self._works:
            self._end_by = time.monotonic() + self._timeout if self._timeout else float('inf')
            self._before = signal.signal(signal.SIGALRM, self._look)
            signal.siginterrupt(signal.SIGALRM, False)
            signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
        return self

    def __exit__(self, *_):
        self._end_by = None  # from here on, an alarm on its way does nothing
        if self._works:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    def _look(self, number, frame):
        if self._end_by is None:
            return
        now = time.monotonic()
        if self._drain_by is None and self._stop is not None and self._stop():
            self._drain_by = now + self._grace
        if self._drain_by is not None and now > self._drain_by:
            raise StarInterrupted('drain')
        if now > self._end_by:
            raise StarInterrupted('timeout')
