"""Work without photometry, with faults on demand; child processes import it by name."""

import collections
import contextlib
import ctypes
import hashlib
import itertools
import os
import resource
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from photometry.core.errors import InputMissingError, OutputError, Reason
from photometry.core.status import STATUS
from photometry.core.task import Result
from photometry.files import atomic, paths

EVERY = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}


@dataclass(frozen=True)
class FakeWorker:
    """Writes a line in ``log`` a started star, another a finished one."""

    folder: str
    faults: dict = field(default_factory=dict)
    """Kind of fault by starid."""
    pause: float = 0.0
    output: str = ''
    """Where light curves are written; empty writes none."""

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
        try:
            name = write(self.output, task) if self.output else f'{task.starid}.fits'
        except OutputError as error:
            return Result(task, STATUS.ERROR, reason=Reason.IO, errors=(str(error),))
        self.note('end', task)
        return Result(task, STATUS.OK, method_used='fake', lightcurve=name, elaptime=1e-3,
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

    def spin(self, task):
        """A loop in C that never looks for signals."""
        collections.deque(itertools.repeat(0), maxlen=0)

    def sleep(self, task):
        try:
            time.sleep(1000)
        finally:
            self.note('cleaned', task)

    def hog(self, task):
        bytearray(1 << 36)

    def gorge(self, task):
        b'x' * (1 << 30)

    def cramped(self, task):
        """From now on this process can write small files only."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

    def leave(self, task):
        os._exit(0)

    def leave_once(self, task):
        if task.attempt == 0:
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


def content(starid):
    """What stands in the light curve of a star: three pages and their digest."""
    body = f'{starid:016d}'.encode() * 512
    return hashlib.sha256(body).digest() + body


def write(output, task):
    """Write a light curve as real ones are written; its name."""
    name = paths.lightcurve_name(task.starid, task.sector, task.camera, task.ccd, task.cadence, 1, 1)
    path = atomic.make_directory((Path(output) / name).parent) / name.name
    atomic.write_bytes(path, content(task.starid))
    return name.as_posix()


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
