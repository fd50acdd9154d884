"""Work in the scheduler's own process."""

from __future__ import annotations

import contextlib
from collections import deque

from photometry.todo.dispatch import Finished, Returned, Started


class InlineWorkers:
    """One worker: this process.

    Parameters
    ----------
    open_worker : callable
        Without arguments; returns a context manager that yields
        ``work(task) -> Result``.
    """

    dies_with_scheduler = True

    def __init__(self, open_worker):
        self._open = open_worker
        self._queue = deque()
        self._returned = []

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        self._work = self._stack.enter_context(self._open())
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

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
            yield Finished(self._work(task))
        if self._returned:
            returned, self._returned = tuple(self._returned), []
            yield Returned(returned)

    def drain(self):
        """Hand the queue back."""
        self._returned += self._queue
        self._queue.clear()

    kill = drain
