"""Work in supervised child processes on this machine."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker

from photometry.core.errors import ExitCode, Reason, TessphotError
from photometry.core.threads import ONE_THREAD
from photometry.todo.dispatch import Died, Finished, Returned, Started
from photometry.todo.workers import child, limits

logger = logging.getLogger(__name__)

_BLOCKED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
_GRACE = 2.0
_DRAIN = 8.0
_BIRTHS = 3


class WorkerRefusedError(TessphotError):
    """A worker could not be set up, for the reason it gave."""

    def __init__(self, sentence, exit_code=ExitCode.INTERNAL):
        super().__init__(sentence)
        self.exit_code = ExitCode(exit_code)


@dataclass
class _Child:
    """A child process with what it was given."""

    process: object
    pipe: object
    life: object
    """The end of a pipe that closes when this process is gone."""
    ready: bool = False
    batch: tuple = ()
    next: int = 0
    """First star of the batch that has not begun."""
    running: object = None
    since: float = 0.0
    terminated: str | None = None
    """Why it was asked to end, while it measured ``target``."""
    target: object = None
    drained: bool = False

    @property
    def name(self):
        return f'worker {self.process.pid}'


class LocalWorkers:
    """A pool of children, each with a pipe; one that dies is replaced.

    Parameters
    ----------
    open_worker : callable
        Picklable; returns a context manager yielding ``work(task) -> Result``.
    number : int
        Children.
    timeout : float
        Seconds that one star may take; 0 for no limit.
    memory : float
        MB by which the address space of a child may grow; 0 for no limit.
    preload : sequence of str
        Modules that the children share from birth.
    """

    dies_with_scheduler = False

    def __init__(self, open_worker, number, *, timeout=300.0, memory=4096.0, preload=()):
        self._open, self.number = open_worker, number
        self._timeout, self._memory = timeout, memory
        self._context = multiprocessing.get_context('forkserver')
        self._context.set_forkserver_preload(['photometry.todo.workers.child', *preload])
        self._children: list[_Child] = []
        self._pending: list = []
        self._stillborn = 0
        self._drain_by = None

    def __enter__(self):
        for _ in range(self.number):
            self._bear()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self._let_go()
        self.kill()
        for one in self._children:
            one.process.join()
            one.pipe.close()
            one.life.close()
            one.process.close()
        self._children.clear()

    def _let_go(self):
        """Wait a moment for the children to end by themselves."""
        for one in self._children:
            with contextlib.suppress(OSError):
                one.pipe.send(child.STOP)
        deadline = time.monotonic() + _GRACE
        for one in self._children:
            one.process.join(max(0.0, deadline - time.monotonic()))

    # The protocol

    @property
    def free(self):
        """Children that are ready and have nothing to do."""
        if self._drain_by is not None:
            return 0
        return sum(one.ready and not one.batch and not one.terminated for one in self._children)

    @property
    def busy(self):
        """Whether stars are in a child, or children on their way that could take some."""
        coming = self._drain_by is None and any(not one.ready for one in self._children)
        return coming or bool(self._pending) or any(one.batch for one in self._children)

    def submit(self, batch):
        """Give a batch to a child that is free."""
        one = next(one for one in self._children if one.ready and not one.batch and not one.terminated)
        one.batch, one.next = tuple(batch), 0
        one.since = time.monotonic()
        with contextlib.suppress(OSError):
            one.pipe.send(one.batch)

    def events(self, timeout):
        """Started, Finished, Died and Returned of all children."""
        if not self._pending:
            self._wait(timeout)
        pending, self._pending = self._pending, []
        yield from pending

    def recall(self, tasks):
        """Have the children hand back what has not begun of batches with these stars."""
        lost = {task.priority for task in tasks}
        for one in self._children:
            if lost.intersection(task.priority for task in one.batch[one.next:]):
                with contextlib.suppress(OSError):
                    one.pipe.send(child.RECALL)

    def drain(self):
        """Let running stars end within a few seconds; the rest comes back."""
        if self._drain_by is None:
            self._drain_by = time.monotonic() + _DRAIN
            for one in self._children:
                self._ask_to_stop(one)

    def _ask_to_stop(self, one):
        if one.batch and not one.drained:
            one.drained = True
            with contextlib.suppress(OSError):
                one.pipe.send(child.STOP)

    def kill(self):
        """End every child now."""
        for one in self._children:
            if one.process.is_alive():
                one.process.kill()

    # Supervision

    def _bear(self):
        ours, theirs = self._context.Pipe()
        life, ours_alone = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=child.main, args=(theirs, life, self._open, self._memory), daemon=True)
        with _environment():
            _start(process)
        theirs.close()
        life.close()
        self._children.append(_Child(process, ours, ours_alone))

    def _wait(self, timeout):
        watched = {one.pipe: one for one in self._children}
        watched.update((one.process.sentinel, one) for one in self._children)
        seen = connection.wait(list(watched), timeout)
        for one in {id(watched[item]): watched[item] for item in seen}.values():
            if not self._listen(one):
                self._bury(one)
        self._check_time()

    def _listen(self, one):
        """Read what a child has said; False when it is gone."""
        try:
            for _ in range(64):
                if not one.pipe.poll():
                    return one.process.exitcode is None
                self._hear(one, *one.pipe.recv())
        except (EOFError, OSError):
            return False
        return True

    def _hear(self, one, word, content):
        if word == child.READY:
            one.ready, self._stillborn = True, 0
        elif word == child.REFUSED:
            name, sentence, code = content
            logger.debug('%s refused: %s', one.name, name)
            raise WorkerRefusedError(sentence, code)
        else:
            number, ended = content
            if ended is not None:
                self._pending.append(Finished(ended))
                one.running = None
            if word == child.BEGUN:
                one.running, one.next, one.since = one.batch[number], number + 1, time.monotonic()
                self._pending.append(Started(one.running))
            else:
                self._end_batch(one, number)

    def _end_batch(self, one, number):
        if number < len(one.batch):
            self._pending.append(Returned(one.batch[number:]))
        one.batch, one.running = (), None

    def _check_time(self):
        now = time.monotonic()
        for one in self._children:
            if one.terminated:
                if now - one.since > _GRACE:
                    one.process.kill()
            elif self._drain_by is not None and one.batch and now > self._drain_by:
                self._terminate(one, 'drain')
            elif self._timeout and one.running is not None and now - one.since > self._timeout:
                self._terminate(one, 'timeout')

    def _terminate(self, one, why):
        one.terminated, one.target, one.since = why, one.running, time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.process.pid, child.TERMINATE)

    def _bury(self, one):
        one.process.join(_GRACE)
        one.process.kill()
        one.process.join()
        self._children.remove(one)
        one.pipe.close()
        one.life.close()
        others = tuple(one.batch[one.next:])
        if one.running is not None and one.terminated == 'drain':
            self._pending.append(Returned((one.running, *others)))
        elif one.batch:
            self._pending.append(self._death(one, others))
        if not one.ready:
            self._count_stillborn(one)
        if self._drain_by is None:
            self._bear()
        one.process.close()

    def _death(self, one, others):
        if one.running is None:
            return Died(None, others=others)
        if one.terminated and one.running is not one.target:
            return Died(None, others=(one.running, *others))
        if one.terminated == 'timeout':
            return Died(one.running, Reason.TIMEOUT, limits.timed_out(self._timeout), others)
        return Died(one.running, Reason.CRASH, f'The worker died ({_cause(one.process.exitcode)}).', others)

    def _count_stillborn(self, one):
        self._stillborn += 1
        if self._stillborn >= _BIRTHS:
            raise WorkerRefusedError(f'{_BIRTHS} workers in a row died before their first star '
                                     f'({_cause(one.process.exitcode)}); see the lines above.')


def _start(process):
    """Start a child; when the fork server has just died, wait for the next one."""
    for left in reversed(range(20)):
        try:
            return process.start()
        except (ConnectionError, EOFError):
            if not left:
                raise
            time.sleep(0.05)


def _cause(code):
    if code is not None and code < 0:
        return f'signal {signal.Signals(-code).name}'
    return f'exit code {code}'


@contextlib.contextmanager
def _environment():
    """Born with one BLAS thread, and out of reach of the signals that stop the scheduler."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    resource_tracker.ensure_running()  # it unblocks signals when it starts, so it must start before
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
