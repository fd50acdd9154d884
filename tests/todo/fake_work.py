"""Work without photometry, with faults on demand; child processes import it by name."""

import contextlib
import ctypes
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from photometry.core.errors import InputMissingError, Reason
from photometry.core.status import STATUS
from photometry.core.task import Result

EVERY = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}


@dataclass(frozen=True)
class FakeWorker:
    """Writes a line in ``log`` a started star, another a finished one."""

    folder: str
    faults: dict = field(default_factory=dict)
    """Kind of fault by starid."""
    pause: float = 0.0

    @contextlib.contextmanager
    def __call__(self):
        if self.faults.get(0) == 'refuse':
            raise InputMissingError('The cube is not there.')
        if self.faults.get(0) == 'stillborn':
            os._exit(9)
        yield self.work

    def work(self, task):
        self.note('begin', task)
        time.sleep(self.pause)
        kind = self.faults.get(task.starid)
        if kind:
            result = getattr(self, kind)(task)
            if result:
                return result
        self.note('end', task)
        return Result(task, STATUS.OK, method_used='fake', lightcurve=f'{task.starid}.fits', elaptime=1e-3,
                      details={'mean_flux': 10.0 * task.starid})

    def note(self, word, task):
        handle = os.open(Path(self.folder) / 'log', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(handle, f'{word} {task.starid} {task.attempt} {os.getpid()}\n'.encode())
        os.close(handle)

    def segfault(self, task):
        ctypes.string_at(0)

    def hang(self, task):
        signal.pthread_sigmask(signal.SIG_BLOCK, EVERY)
        time.sleep(1000)

    def sleep(self, task):
        try:
            time.sleep(1000)
        finally:
            self.note('cleaned', task)

    def hog(self, task):
        bytearray(1 << 36)

    def leave(self, task):
        os._exit(0)

    def suicide(self, task):
        os.kill(os.getpid(), signal.SIGKILL)

    def suicide_once(self, task):
        if task.attempt == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def disk(self, task):
        return Result(task, STATUS.ERROR, reason='io', errors=('Cannot write x: the disk is full.',))

    def disk_once(self, task):
        return self.disk(task) if task.attempt == 0 else None

    def dark(self, task):
        return Result(task, STATUS.ERROR, reason=Reason.NO_FLUX, errors=('No light.',))

    def bug(self, task):
        return Result(task, STATUS.ERROR, reason=Reason.BUG, errors=('ValueError: 1',))

    def threads(self, task):
        words = [os.environ.get(name, '') for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS')]
        return Result(task, STATUS.WARNING, errors=tuple(words))


def log(folder):
    """Lines of the log as (word, starid, attempt, pid)."""
    path = Path(folder) / 'log'
    if not path.exists():
        return []
    return [(word, *map(int, numbers)) for word, *numbers in
            (line.split() for line in path.read_text().splitlines())]


def begun(folder):
    """How often each star was begun."""
    counts = {}
    for word, starid, *_ in log(folder):
        counts[starid] = counts.get(starid, 0) + (word == 'begin')
    return counts
