"""A todo list that is worked on while things go wrong, and the reckoning afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import fake_work
import mpi_jobs
import scheduler
import sqlalchemy as sa
import todo_files

from photometry.core.status import STATUS
from photometry.todo import owner

FULL = os.environ.get('TESSPHOT_FAULTS') == 'full'
"""Whether everything has its full size, as in ``make faults``."""

PATIENCE = 1500 if FULL else 120
"""Seconds after which a run is taken for hung."""

TRANSPORTS = {'inline': {'workers': 0}, 'local': {'workers': 2}, 'mpi': {'workers': 0, 'ranks': 3}}
"""Options of a `Trial`."""

_CHANGES = {'worker', 'lease', 'begun', 'expired', 'elaptime', 'worker_wait_time', 'attempts'}
"""Columns that need not be those of an undisturbed run: owners, times, and what the faults cost."""


def size(quick, full):
    """One test in two sizes."""
    return full if FULL else quick


class Log:
    """What the workers wrote down, read as it grows: (word, starid, attempt, pid)."""

    def __init__(self, folder):
        self._path, self._place, self._lines = Path(folder) / 'log', 0, []

    def __call__(self):
        if self._path.exists():
            with open(self._path, 'rb') as stream:
                stream.seek(self._place)
                *lines, rest = stream.read().split(b'\n')
                self._place = stream.tell() - len(rest)
            for line in lines:
                word, *numbers = line.decode().split()
                self._lines.append((word, *map(int, numbers)))
        return self._lines

    def begun(self):
        """How often each star was begun."""
        return Counter(line[1] for line in self() if line[0] == 'begin')

    def begins(self):
        """How many stars were begun."""
        return sum(line[0] == 'begin' for line in self())

    def at_work(self):
        """(starid, attempt) of the star that each process is measuring, if it lives."""
        latest = {line[3]: line for line in self()[-200:]}
        return {pid: line[1:3] for pid, line in latest.items() if line[0] == 'begin' and alive(pid)}


class Trial:
    """A todo list in a folder of its own, with the schedulers that work on it one after the other.

    Parameters
    ----------
    folder : Path
    number : int
        Stars.
    workers : int
        Children; 0 for a scheduler that works itself.
    ranks : int
        Those of an MPI job; 0 for a single process.
    options : sequence of str
        For mpiexec.
    pause : float
        Seconds that a star takes.
    faults : dict
        Kind of fault by starid, see `fake_work`.
    place : Path or str
        The list, if it is not to lie in the folder.
    prepare : callable
        Called in the scheduler's process before it begins.
    environment
        FAKE_TIMEOUT and other variables of `scheduler`.
    """

    def __init__(self, folder, number, *, workers=2, ranks=0, options=(), pause=0.0, faults=None, place=None,
                 prepare=None, **environment):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.number, self.output = folder, number, folder / 'out'
        self.todo = todo_files.fill(place or folder / 'todo.sqlite', number)
        self.prepare = prepare
        self.log = Log(folder)
        self.workers, self.pause, self.faults = workers, pause, faults or {}
        self.ranks, self.options = ranks, options
        self.environment = {'FAKE_OUTPUT': self.output} | environment
        self.process, self.processes, self.kills = None, [], 0
        self._committed, self._seen, self._again = None, 0, 0
        self._started = time.monotonic()

    # One scheduler after the other

    def command(self):
        """Words of the command line of a scheduler."""
        words = (scheduler.__file__, self.todo, self.folder, self.workers, self.pause,
                 json.dumps(self.faults))
        if self.ranks:
            return mpi_jobs.command(self.ranks, *words, options=self.options)
        return [str(word) for word in (sys.executable, *words)]

    def start(self):
        """A scheduler in a process group of its own; returns this trial."""
        variables = {name: str(value) for name, value in self.environment.items()}
        self.process = subprocess.Popen(
            self.command(), start_new_session=True, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, preexec_fn=self._prepare,
            env=mpi_jobs.environment(**variables) if self.ranks else os.environ | variables)
        self.processes.append(self.process)
        return self

    def _prepare(self):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if self.prepare:
            self.prepare()

    @property
    def running(self):
        """Whether the scheduler of now has not ended."""
        return self.process is not None and self.process.poll() is None

    def wait_for(self, condition):
        """Look often, until something is so or the scheduler has ended; whether it lives."""
        until = time.monotonic() + PATIENCE
        while self.running and not condition():
            assert time.monotonic() < until, self.abandon()
            time.sleep(0.003)
        return self.running

    def wait_for_stars(self, number):
        """Wait until so many more stars were begun; whether the scheduler lives."""
        enough = self.log.begins() + number
        return self.wait_for(lambda: self.log.begins() >= enough)

    def kill(self, pid=None):
        """Kill the scheduler at once, or a rank that takes it down, and see what was committed by then."""
        os.kill(pid or self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=60)
        self.kills += 1
        pids = {line[3] for line in self.log()[-200:]}
        until = time.monotonic() + 60
        while any(map(alive, pids)) or self._is_held():
            assert time.monotonic() < until, 'children outlive their scheduler'
            time.sleep(0.003)
        self.look_at_committed()

    def _is_held(self):
        return self.on_file and owner.is_held(self.todo)

    def end(self, timeout=PATIENCE):
        """Wait for the scheduler: (exit code, what it said)."""
        said = ''.join(self.process.communicate(timeout=timeout))
        if self.process.returncode not in (0, 3, 75, 130):
            self.look_at_committed()
        return self.process.returncode, said

    def finish(self):
        """Exit code of a scheduler that is left in peace."""
        return self.start().end()[0]

    def abandon(self):
        """Kill whatever still runs; what it said."""
        said = ''
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if not process.stdout.closed:
                said += ''.join(process.communicate())
        return said

    # The reckoning

    @property
    def on_file(self):
        """Whether the list is a file, not one of a server."""
        return isinstance(self.todo, Path)

    def query(self, sql, *values):
        """Rows of a query on a copy of the list: looking at what a death has left must not repair it."""
        if not self.on_file:
            return todo_files.query(self.todo, sql, *values)
        with copied(self.todo, self.folder / 'copy') as connection:
            return connection.execute(sql, values).fetchall()

    def statuses(self):
        """Status by starid."""
        return dict(self.query('SELECT starid, status FROM todolist'))

    def done(self):
        """Stars whose end stands in the list."""
        return {star for star, status in self.statuses().items() if status not in (None, STATUS.STARTED)}

    def look_at_committed(self):
        """Count stars that began again although they were committed, and see what now is."""
        self._again += sum(word == 'begin' and starid in (self._committed or ())
                           for word, starid, *_ in self.log()[self._seen:])
        self._committed = self.done()
        self._seen = len(self.log())
        self.check_integrity()

    def check_integrity(self):
        """The file of the list is whole."""
        assert not self.on_file or self.query('PRAGMA integrity_check') == [('ok',)]

    def finished_and_run_again(self):
        """Stars that began although they were committed, or a living scheduler had heard of their end."""
        if self._committed is not None:
            self.look_at_committed()
            return self._again
        return sum(begun_after_they_were_heard(self.log()).values())

    def figures(self):
        """What the faults did, in numbers."""
        rows = table(self.todo)
        written = {row['lightcurve'] for row in rows if row['status'] == STATUS.OK}
        files = {path.relative_to(self.output).as_posix() for path in files_in(self.output)}
        attempts = [attempt for attempt, in self.query('SELECT attempts FROM todolist')]
        return {
            'tasks': self.number,
            'lost': sum(row['status'] not in (STATUS.OK, STATUS.ERROR) for row in rows)
            + len(written - files) + self.number - len(rows),
            'run again': self.finished_and_run_again(),
            'invalid': sum(not is_whole(path) for path in files_in(self.output)),
            'begun twice': sum(self.log.begun().values()) - self.number,
            'charged': sum(attempts) - self.number,
            'most attempts': max(attempts),
            'seconds': round(time.monotonic() - self._started, 1)}

    def check(self, peace, but=(), **more):
        """Nothing lost, done twice or half-written, all as in peace except some stars; the figures."""
        figures = self.figures() | more
        assert (figures['lost'], figures['run again'], figures['invalid']) == (0, 0, 0), figures
        assert [*self.output.rglob('*.tmp'), *self.output.rglob('.probe*')] == []
        assert differences(*([row for row in rows if row['starid'] not in but]
                             for rows in (table(self.todo), peace))) == []
        self.check_integrity()
        return figures


def begun_after_they_were_heard(lines):
    """How often stars began after their end had reached the scheduler.

    A child tells the end of a star before it begins the next one, and what it
    told outlives it.
    """
    heard, last, again = set(), {}, Counter()
    for word, starid, _, pid in lines:
        if word == 'begin':
            if pid in last:
                heard.add(last.pop(pid))
            again[starid] += starid in heard
        elif word == 'end':
            last[pid] = starid
    return +again


def files_in(folder):
    """Every file below a directory under its final name."""
    return [path for path in Path(folder).rglob('*') if path.is_file() and path.suffix != '.tmp']


def replace_folder(folder):
    """An empty directory in place of whatever was there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def is_whole(path):
    """Whether a file is the light curve, or the summary, that its name promises."""
    if path.suffix == '.json':
        return json.loads(path.read_bytes())['run'] in path.name
    return path.read_bytes() == fake_work.content(int(path.name[4:15]))


@contextlib.contextmanager
def copied(todo, elsewhere):
    """A connection to a copy of a database."""
    folder = elsewhere
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for path in (todo, todo.with_name(todo.name + '-wal')):
        if path.exists():
            shutil.copy(path, folder)
    with contextlib.closing(sqlite3.connect(folder / todo.name)) as connection:
        yield connection


def table(todo):
    """Rows of todolist and diagnostics without what need not be the same each time."""
    engine = sa.create_engine(f'sqlite:///{todo}' if isinstance(todo, Path) else todo, poolclass=sa.NullPool)
    with engine.connect() as connection:
        listed, diagnoses = (connection.execute(sa.text(f'SELECT * FROM {name} ORDER BY priority')).mappings()
                             for name in ('todolist', 'diagnostics'))
        known = {row['priority']: row for row in diagnoses}
        rows = [{**known.get(row['priority'], {}), **row} for row in listed]
    return [{name: value for name, value in row.items() if name not in _CHANGES} for row in rows]


def differences(one, two):
    """Sentences about the first rows in which two tables differ."""
    found = [] if len(one) == len(two) else [f'{len(one)} rows, {len(two)} in peace']
    for row, other in zip(one, two, strict=False):
        found += [f'priority {row["priority"]}: {name} is {row[name]!r}, {other[name]!r} in peace'
                  for name in row if row[name] != other.get(name)]
    return found[:10]


def alive(pid):
    """Whether a process runs (or is stopped), and is no zombie."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False
