"""What a rank other than 0 does: supervise children and forward what they say to rank 0."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import deque

from photometry.core.errors import ExitCode
from photometry.todo.dispatch import Returned
from photometry.todo.workers.local import LocalWorkers, WorkerRefusedError
from photometry.todo.workers.messages import GONE, Batch, Open, Order, Recall, Refused, Report

logger = logging.getLogger(__name__)

_SHORT, _IDLE, _BUSY = 0.001, 0.02, 0.05
"""Seconds between two looks for orders: after one came, with nothing to do, while stars run."""

_HEARTBEAT = 5.0
_LEADER = 0


def serve(post) -> ExitCode:
    """Obey rank 0 until it lets this rank go.

    Parameters
    ----------
    post : photometry.todo.workers.messages.Post
    """
    with contextlib.ExitStack() as stack:
        crew = _Crew(post, stack)
        while crew.works:
            crew.turn()
    post.send(GONE, _LEADER)
    return ExitCode.DONE


class _Crew:
    """A pool with a letter box."""

    def __init__(self, post, stack):
        self._post, self._stack = post, stack
        self._pool = None
        self._waiting = deque()
        self._returned = []
        self._arrived = 0
        self._said = None
        self._speak_by = 0.0
        self._nap = _SHORT
        self.works = True

    def turn(self):
        """Obey what has come, wait a moment for the children, report."""
        for _, order in self._post.receive(_LEADER):
            self._obey(order)
            self._nap = _SHORT
        try:
            self._look_after_pool()
        except WorkerRefusedError as error:
            self._post.send(Refused(str(error), int(error.exit_code)), _LEADER)
            self._pool = None

    def _obey(self, order):
        if isinstance(order, Open):
            self._stack.close()
            self._pool = self._stack.enter_context(
                LocalWorkers(order.open_worker, order.number, **order.options))
        elif isinstance(order, Batch):
            self._arrived += 1
            self._waiting.append(order.tasks)
        elif order is Order.LEAVE:
            self.works = False
        elif self._pool is None:
            return
        elif isinstance(order, Recall):
            self._return()
            self._pool.recall(order.tasks)
        else:
            self._end(order)

    def _return(self):
        """Hand back the batches that no child has."""
        self._returned += map(Returned, self._waiting)
        self._waiting.clear()

    def _end(self, order):
        self._return()
        if order is Order.DRAIN:
            self._pool.drain()
        else:
            self._pool.kill()
            self._pool = None

    def _look_after_pool(self):
        if self._pool is None:
            time.sleep(self._next_nap(_IDLE))
            return
        while self._waiting and self._pool.free:
            self._pool.submit(self._waiting.popleft())
        longest = _IDLE if self._pool.free else _BUSY
        events = (*self._returned, *self._pool.events(self._next_nap(longest)))
        self._returned.clear()
        self._report(events)

    def _next_nap(self, longest):
        nap, self._nap = self._nap, min(1.5 * self._nap, longest)
        return nap

    def _report(self, events):
        """Forward events; without any, say how things stand when that changed or for a sign of life."""
        stands = (self._arrived, max(0, self._pool.free - len(self._waiting)),
                  bool(self._pool.busy or self._waiting))
        now = time.monotonic()
        if events or stands != self._said or now > self._speak_by:
            self._post.send(Report(*stands, tuple(events)), _LEADER)
            self._said, self._speak_by = stands, now + _HEARTBEAT
