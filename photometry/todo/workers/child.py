"""What runs inside a supervised child: stars of a batch, one after the other."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import time
from dataclasses import replace

from photometry.core.errors import TessphotError
from photometry.core.threads import ONE_THREAD
from photometry.todo.workers import limits

READY, REFUSED, BEGUN, ENDED = 'ready', 'refused', 'begun', 'ended'
STOP, RECALL = 'stop', 'recall'

_PR_SET_PDEATHSIG = 1
TERMINATE = signal.SIGUSR2
"""Asks the running star to end with its ``finally`` blocks; SIGTERM reaches whole process groups."""


def main(pipe, life, open_worker, memory):
    """Body of the child process.

    Parameters
    ----------
    pipe : multiprocessing.connection.Connection
        Batches come in, events go out: BEGUN with a number in the batch
        goes out before the star's first instruction runs.
    life : multiprocessing.connection.Connection
        Nothing ever comes through it; the scheduler alone holds its other end.
    open_worker : callable
        Returns a context manager that yields ``work(task) -> Result``.
    memory : float
        MB by which the address space may grow; 0 for no limit.
    """
    _die_with_scheduler(life)
    _set_signals()
    # A fork server that was running before has the environment of its own birth.
    os.environ.update(ONE_THREAD)
    with contextlib.ExitStack() as stack:
        try:
            work = stack.enter_context(open_worker())
        except TessphotError as error:
            pipe.send((REFUSED, (type(error).__name__, str(error), int(error.exit_code))))
            return
        if memory:
            limits.limit_memory(limits.memory_now() + int(memory * 2 ** 20))
        pipe.send((READY, None))
        _serve(pipe, work)


def _serve(pipe, work):
    idle_since = time.perf_counter()
    while True:
        try:
            batch = pipe.recv()
        except EOFError:
            return
        if batch == STOP:
            return
        if batch == RECALL:
            continue  # it has ended the batch, or came too late
        _measure(pipe, work, batch, idle_since)
        idle_since = time.perf_counter()


def _measure(pipe, work, batch, idle_since):
    ended = None
    for number, task in enumerate(batch):
        if pipe.poll():
            break
        pipe.send((BEGUN, (number, ended)))
        begun = time.perf_counter()
        result = limits.one(work, task)
        now = time.perf_counter()
        ended = replace(result, worker_wait_time=begun - idle_since,
                        elaptime=result.elaptime or now - begun)
        idle_since = now
    else:
        number += 1
    pipe.send((ENDED, (number, ended)))


def _die_with_scheduler(life):
    """Have the kernel kill this child when the scheduler, or the fork server between them, is gone.

    The fork server outlives a killed scheduler as long as a child runs, so that
    its death alone (prctl(2)) tells too little. When the last writer of a pipe
    goes, its reader gets a signal (fcntl(2), O_ASYNC): here one that no star can block.
    Every child needs a pipe of its own, because the owner of the signal belongs to the pipe.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    handle = life.fileno()
    fcntl.fcntl(handle, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(handle, fcntl.F_SETFL, fcntl.fcntl(handle, fcntl.F_GETFL) | os.O_ASYNC)
    if life.poll():
        os._exit(1)


def _set_signals():
    """Leave stopping to the scheduler: signals reach the whole group on a terminal or cluster."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(name, signal.SIG_IGN)
    signal.signal(TERMINATE, _end)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _end(number, frame):
    raise SystemExit(128 + number)
