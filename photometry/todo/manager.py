"""The TaskManager: hands out the rows of the todo list, keeps what came of them."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter

import sqlalchemy as sa

from photometry.core.errors import RETRIED, InputBadError, InputMissingError, Reason
from photometry.core.status import STATUS
from photometry.core.task import Result, Task
from photometry.files import todo_tables
from photometry.files.todo_tables import diagnostics, photometry_skipped, todolist
from photometry.todo import engine as engines
from photometry.todo import records, rows
from photometry.todo.owner import Owner
from photometry.todo.selection import Selection
from photometry.todo.summary import Progress, summary_path

logger = logging.getLogger(__name__)

COMMIT_INTERVAL = 0.5
"""Seconds after which results are committed at the latest."""

_COMMIT_ROWS = 1000
_WAITS = todolist.c.status.is_(None)
_SKIPPED_ROWS = sa.select(photometry_skipped.c.priority)


class TaskManager:
    """The one owner of a todo database; use it as a context manager.

    Opening returns rows that a killed run left STARTED to the waiting ones;
    ``recovered`` lists their stars.

    Parameters
    ----------
    todo : path-like or str
        An SQLite file or its URL.
    selection : Selection, optional
        The rows that this run is about.
    attempts : int
        How often a task is tried that failed for a reason that may pass.

    Raises
    ------
    InputMissingError, InputBadError, IncompatibleError
        When the file is missing, no todo list, or of a newer schema.
    HeldError
        When another scheduler holds it.
    """

    def __init__(self, todo, selection=None, *, attempts=3):
        self.path = engines.sqlite_path(todo)
        self.selection = selection or Selection()
        self.attempts = attempts
        self.run = records.run_id()
        self._claimed: dict[int, Task] = {}
        self._buffer: list[tuple] = []
        self._oldest = 0.0
        self._cursor = None
        self._batches = 0

    def __enter__(self):
        with contextlib.ExitStack() as held:
            engines.check_file(self.path)
            held.callback(Owner(self.path).close)
            self._engine = engines.connect(self.path)
            held.callback(self._engine.dispose)
            with self._transaction() as connection:
                todo_tables.check(connection, self.path)
                todo_tables.adopt(connection)
                self._recover(connection)
            self.progress = Progress(summary_path(self.path), self.run, self.counts())
            self._held = held.pop_all()
        return self

    def __exit__(self, kind, *_):
        with self._held:
            self.give_back(list(self._claimed.values()))
            self.flush()
            self.progress.counts = self.counts()
            self.progress.write('stopped' if kind else 'ended')
            self._leave_one_file()

    def _leave_one_file(self):
        """Fold the write-ahead log in, so that the file can be copied or read anywhere."""
        with engines.explained(self.path), self._engine.connect() as connection:
            connection.exec_driver_sql('PRAGMA journal_mode=DELETE')

    def _transaction(self):
        return engines.transaction(self._engine, self.path)

    def _recover(self, connection):
        self.recovered = connection.execute(sa.select(todolist.c.starid).where(
            todolist.c.status == int(STATUS.STARTED))).scalars().all()
        died = sa.and_(todolist.c.status == STATUS.STARTED, todolist.c.attempts >= self.attempts)
        lost = connection.execute(sa.select(todolist.c.priority).where(died)).scalars().all()
        connection.execute(sa.update(todolist).where(died).values(
            status=int(STATUS.ERROR), worker=None, lease=None))
        _replace_diagnostics(connection, [
            {'priority': priority, 'method_used': '', 'elaptime': 0.0, 'reason': str(Reason.CRASH),
             'errors': 'The program died each time that this star was measured.'} for priority in lost])
        _return_rows(connection, todolist.c.status.in_((STATUS.STARTED, STATUS.ABORT)))
        connection.execute(sa.update(todolist).where(
            _WAITS, todolist.c.priority.in_(_SKIPPED_ROWS)).values(status=int(STATUS.SKIPPED)))

    # What is there

    @staticmethod
    def peek(todo, selection=None) -> Counter:
        """Counts by status of a file that no scheduler holds, which is only read."""
        path = engines.sqlite_path(todo)
        engines.check_file(path)
        engine = engines.connect(path, readonly=True)
        try:
            with engines.transaction(engine, path) as connection:
                todo_tables.check(connection, path)
                return _count_rows(connection, selection or Selection())
        finally:
            engine.dispose()

    def counts(self, selection=None) -> Counter:
        """Number of selected rows by status; None counts what waits."""
        with self._transaction() as connection:
            return _count_rows(connection, selection or self.selection)

    def waiting(self) -> int:
        """Number of selected rows that wait."""
        return self.counts()[None]

    def tasks(self, limit=100) -> list[Task]:
        """The selected rows whatever their status, brightest first."""
        statement = rows.select_tasks().where(*self.selection.clauses()).order_by(todolist.c.priority)
        with self._transaction() as connection:
            return [rows.task_from_row(row) for row in connection.execute(statement.limit(limit))]

    def results(self, limit=100) -> list:
        """Rows (priority, starid, status, lightcurve, reason, errors) of the selected stars."""
        joined = todolist.outerjoin(diagnostics, diagnostics.c.priority == todolist.c.priority)
        statement = sa.select(
            todolist.c.priority, todolist.c.starid, todolist.c.status, diagnostics.c.lightcurve,
            diagnostics.c.reason, diagnostics.c.errors).select_from(joined)
        with self._transaction() as connection:
            return connection.execute(statement.where(*self.selection.clauses()).order_by(
                todolist.c.priority).limit(limit)).all()

    def failures(self) -> list:
        """Reasons of ERROR, the commonest first: (reason, number of selected rows, a sentence of one)."""
        number = sa.func.count()
        statement = sa.select(diagnostics.c.reason, number, sa.func.min(diagnostics.c.errors)).select_from(
            todolist.outerjoin(diagnostics, diagnostics.c.priority == todolist.c.priority)).where(
            todolist.c.status == int(STATUS.ERROR), *self.selection.clauses())
        with self._transaction() as connection:
            return connection.execute(statement.group_by(diagnostics.c.reason).order_by(number.desc())).all()

    def draw(self, seed) -> int:
        """Priority of a row drawn from the selected ones that wait.

        Raises
        ------
        InputMissingError
            When none waits.
        """
        import numpy as np
        number = self.waiting()
        if not number:
            raise InputMissingError(f'No star waits in {self.path} ({self.selection.describe()}).')
        nth = int(np.random.default_rng(seed).integers(number))
        statement = sa.select(todolist.c.priority).where(_WAITS, *self.selection.clauses())
        with self._transaction() as connection:
            return connection.execute(
                statement.order_by(todolist.c.priority).limit(1).offset(nth)).scalar_one()

    # Before a run

    def narrow(self, selection):
        """Continue with another selection."""
        self.selection = selection
        self._cursor = None
        self.progress.counts = self.counts()

    def begin(self, version, sections, *, overwrite=False):
        """Write down this run and refuse settings other than those of the results that stand.

        Raises
        ------
        IncompatibleError
            Naming the first setting that differs.
        """
        with self._transaction() as connection:
            stand = connection.execute(sa.select(todolist.c.priority).where(
                todolist.c.status.in_((STATUS.OK, STATUS.WARNING))).limit(1)).first()
            if stand and not overwrite:
                records.refuse_other_settings(connection, self.path, 'run_tessphot', sections)
            records.write(connection, self.run, 'run_tessphot', version, sections)

    def reset(self, *, everything=False, errors=False):
        """Let selected rows wait again: all that ended, or those with ERROR."""
        wanted = [*self.selection.clauses()]
        if not everything:
            wanted.append(todolist.c.status == int(STATUS.ERROR))
        if not (everything or errors):
            return
        with self._transaction() as connection:
            chosen = sa.select(todolist.c.priority).where(*wanted)
            connection.execute(sa.delete(diagnostics).where(diagnostics.c.priority.in_(chosen)))
            connection.execute(sa.update(todolist).where(todolist.c.priority.in_(chosen)).values(
                status=None, attempts=0, worker=None, lease=None))
            connection.execute(sa.update(todolist).where(
                _WAITS, todolist.c.priority.in_(_SKIPPED_ROWS)).values(status=int(STATUS.SKIPPED)))
        self.narrow(self.selection)

    def reopen_skipped(self):
        """Let the selected rows wait that a brighter star would deliver."""
        with self._transaction() as connection:
            connection.execute(sa.update(todolist).where(
                todolist.c.status == int(STATUS.SKIPPED), *self.selection.clauses()).values(status=None))
        self.narrow(self.selection)

    # During a run

    def claim(self, limit=64) -> list[Task]:
        """Start the waiting stars on the tile of the brightest one that waits.

        Rows that cannot be tasks end as ERROR. An empty list means that
        nothing waits.
        """
        while True:
            self.flush()
            with self._transaction() as connection:
                found = self._tile(connection, limit)
                tasks, bad = _understand(found)
                self._start(connection, tasks)
                self._reject(connection, bad)
            if tasks or not bad:
                return tasks

    def _tile(self, connection, limit):
        waiting = [_WAITS, *self.selection.clauses()]
        if self._cursor is not None:
            waiting.append(todolist.c.priority >= self._cursor)
        ordered = rows.select_tasks().order_by(todolist.c.priority)
        first = connection.execute(ordered.where(*waiting).limit(1)).first()
        if first is None:
            return []
        self._cursor = first.priority
        if first.tile is None:
            return [first]
        same = [todolist.c[name] == getattr(first, name) for name in
                ('sector', 'camera', 'ccd', 'tile', 'cadence', 'cube', 'datasource')]
        return connection.execute(ordered.where(*waiting, *same).limit(limit)).all() or [first]

    def _start(self, connection, tasks):
        if not tasks:
            return
        self._batches += 1
        worker = f'{self.run}/{self._batches}'
        connection.execute(
            sa.update(todolist).where(todolist.c.priority == sa.bindparam('row')).values(
                status=int(STATUS.STARTED), worker=worker, lease=time.time()),
            [{'row': task.priority} for task in tasks])
        self._claimed.update((task.priority, task) for task in tasks)
        self._count(None, STATUS.STARTED, len(tasks))

    def _reject(self, connection, bad):
        for row, error in bad:
            connection.execute(sa.update(todolist).where(todolist.c.priority == row.priority).values(
                status=int(STATUS.ERROR)))
            _replace_diagnostics(connection, [{
                'priority': row.priority, 'method_used': '', 'elaptime': 0.0,
                'reason': str(Reason.INPUT_BAD), 'errors': f'Row {row.priority}: {error}'}])
            self._count(None, STATUS.ERROR)
            logger.info('Row %s: %s', row.priority, error)
            self.progress.last_error = f'Row {row.priority}: {error}'

    def charge(self, task):
        """Count the attempt before the work begins, for workers that die with the scheduler."""
        with self._transaction() as connection:
            connection.execute(sa.update(todolist).where(todolist.c.priority == task.priority).values(
                attempts=task.attempt + 1))

    def begun(self, task):
        """Hear that a worker has begun a star; the one owner of a file need not write that down."""

    def others_at_work(self) -> bool:
        """Whether other schedulers hold selected rows that may come back; never, of a file."""
        return False

    def finish(self, result) -> bool:
        """Keep a result; False (and nothing kept) when the task is not its sender's.

        It is committed by the next `flush`, `COMMIT_INTERVAL` later at most
        while `tick` is called.
        """
        task = result.task
        if self._claimed.get(task.priority) != task:
            logger.warning('A late result of TIC %s is refused.', task.starid)
            return False
        if result.status == STATUS.ABORT:
            self.give_back([task])
            return True
        del self._claimed[task.priority]
        again = (result.status == STATUS.ERROR and result.reason in RETRIED
                 and task.attempt + 1 < self.attempts)
        self._keep(task, None if again else int(result.status), task.attempt + 1,
                   rows.diagnostics_row(result))
        self.progress.finished += not again
        if result.status == STATUS.ERROR:
            self.progress.last_error = f'TIC {task.starid}: {"; ".join(result.errors) or result.reason}'
        return True

    def fail(self, task, reason, message) -> bool:
        """Keep the failure of a task whose worker can no longer say so."""
        return self.finish(Result(task, STATUS.ERROR, reason=reason, errors=(message,)))

    def give_back(self, tasks):
        """Let tasks wait again without counting an attempt."""
        for task in tasks:
            if self._claimed.get(task.priority) == task:
                del self._claimed[task.priority]
                self._keep(task, None, task.attempt, None)

    def forgive(self, tasks):
        """Let tasks wait again as if they had not been tried."""
        self.flush()
        priorities = [task.priority for task in tasks if task.priority not in self._claimed]
        with self._transaction() as connection:
            for task in tasks:
                if task.priority in priorities:
                    connection.execute(sa.update(todolist).where(todolist.c.priority == task.priority).values(
                        status=None, attempts=0))
            self.progress.counts = _count_rows(connection, self.selection)
        self._cursor = None

    def _keep(self, task, status, attempts, diagnosis):
        if not self._buffer:
            self._oldest = time.monotonic()
        self._buffer.append(({'row': task.priority, 'status_': status, 'attempts_': attempts}, diagnosis))
        self._count(STATUS.STARTED, status)
        if status is None and self._cursor is not None:
            self._cursor = min(self._cursor, task.priority)

    def tick(self):
        """Commit results that have waited long enough; write the summary once a second."""
        if self._buffer and (len(self._buffer) >= _COMMIT_ROWS
                             or time.monotonic() - self._oldest >= COMMIT_INTERVAL):
            self.flush()
        self.progress.tick()

    def flush(self):
        """Commit every result that came in."""
        if not self._buffer:
            return
        with self._transaction() as connection:
            connection.execute(_END, [changes for changes, _ in self._buffer])
            _replace_diagnostics(connection, [row for _, row in self._buffer if row])
        self._buffer.clear()

    def _count(self, before, after, number=1):
        self.progress.counts[before] = self.progress.counts.get(before, 0) - number
        self.progress.counts[after] = self.progress.counts.get(after, 0) + number


_END = sa.update(todolist).where(
    todolist.c.priority == sa.bindparam('row'), todolist.c.status == int(STATUS.STARTED)).values(
    status=sa.bindparam('status_'), attempts=sa.bindparam('attempts_'), worker=None, lease=None)


def _count_rows(connection, selection):
    statement = sa.select(todolist.c.status, sa.func.count()).where(*selection.clauses())
    return Counter(dict(connection.execute(statement.group_by(todolist.c.status)).all()))


def _understand(found):
    tasks, bad = [], []
    for row in found:
        try:
            tasks.append(rows.task_from_row(row))
        except InputBadError as error:
            bad.append((row, error))
    return tasks, bad


def _return_rows(connection, condition):
    connection.execute(sa.update(todolist).where(condition).values(status=None, worker=None, lease=None))


def _replace_diagnostics(connection, given):
    if not given:
        return
    empty = dict.fromkeys(column.name for column in diagnostics.columns)
    connection.execute(sa.delete(diagnostics).where(diagnostics.c.priority == sa.bindparam('row')),
                       [{'row': row['priority']} for row in given])
    connection.execute(sa.insert(diagnostics), [empty | row for row in given])

