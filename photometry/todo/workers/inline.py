"""Work in the scheduler's own process."""

from __future__ import annotations

import contextlib
from collections import deque

from photometry.core.errors import Reason
from photometry.core.status import STATUS
from photometry.core.task import Result
from photometry.todo.dispatch import Finished, Returned, Started
from photometry.todo.workers import limits

_DRAIN = 8.0


class InlineWorkers:
    """One worker: this process.

    It limits itself as far as a process can, see `photometry.todo.workers.limits`;
    a star that crashes takes the scheduler with it.

    Parameters
    ----------
    open_worker : callable
        Without arguments; returns a context manager that yields
        ``work(task) -> Result``.
    timeout : float
        Seconds that one star may take; 0 for no limit.
    memory : float
        MB by which the address space may grow while stars are measured; 0 for no limit.
    stop : callable, optional
        A true value leaves the running star a few seconds to end.
    """

    dies_with_scheduler = True
    number = 1

    def __init__(self, open_worker, *, timeout=0.0, memory=0.0, stop=None):
        self._open = open_worker
        self._timeout, self._memory, self._stop = timeout, memory, stop
        self._queue = deque()
        self._returned = []
        self._stack = contextlib.ExitStack()
        self._work = None

    def __enter__(self):
        self._begin()
        self._most = limits.memory_now() + int(self._memory * 2 ** 20) if self._memory else None
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def _begin(self):
        self._work = self._stack.enter_context(self._open())

    @property
    def free(self):
        """One batch at a time."""
        return 0 if self.busy else 1

    @property
    def busy(self):
        """Whether stars wait in the queue."""
        return bool(self._queue or self._returned)

    def submit(self, batch):
        """Queue a batch."""
        self._queue.extend(batch)

    def events(self, timeout):
        """Measure the next star."""
        del timeout
        if self._queue:
            task = self._queue.popleft()
            yield Started(task)
            yield self._measure(task)
        if self._returned:
            returned, self._returned = tuple(self._returned), []
            yield Returned(returned)

    def _measure(self, task):
        if self._work is None:
            self._begin()
        try:
            with limits.limited_memory(self._most), limits.Clock(self._timeout, self._stop, _DRAIN):
                return Finished(limits.one(self._work, task))
        except limits.StarInterrupted as interruption:
            # what the worker keeps may be half made
            self._stack.close()
            self._work = None
            if interruption.why == 'drain':
                return Returned((task,))
            return Finished(Result(task, STATUS.ERROR, reason=Reason.TIMEOUT, elaptime=self._timeout,
                                   errors=(limits.timed_out(self._timeout),)))

    def recall(self, tasks):
        """Hand the queue back."""
        del tasks
        self.drain()

    def drain(self):
        """Hand the queue back."""
        self._returned += self._queue
        self._queue.clear()

    kill = drain
