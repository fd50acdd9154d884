"""The TaskManager: hands out the rows of the todo list, keeps what came of them."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter

import sqlalchemy as sa

from photometry.core import starids
from photometry.core.errors import RETRIED, InputBadError, Reason
from photometry.core.status import STATUS
from photometry.core.task import Result, Task
from photometry.files import todo_tables
from photometry.files.todo_tables import diagnostics, todolist
from photometry.todo import diagnoses, orphans, places, reader, records, rows, summary
from photometry.todo.file_store import FileStore
from photometry.todo.reader import WAITS, TodoReader
from photometry.todo.server_store import ServerStore
from photometry.todo.summary import Progress

logger = logging.getLogger(__name__)

COMMIT_INTERVAL = 0.5
"""Seconds after which results are committed at the latest."""

COMMIT_SHARE = 0.02
"""Part of the time that commits may take: where they are fast, a killed scheduler loses less."""

_COMMIT_ROWS = 1000
_ASK_AGAIN = 0.5
"""Seconds in which a shared list that had nothing to give is not asked again."""

_COUNT_AGAIN = 10.0
"""Least number of seconds between two counts of a shared list."""


class TaskManager(TodoReader):
    """A scheduler's hold on a todo database; use it as a context manager.

    A file has one scheduler; a PostgreSQL server any number of them. Opening
    returns the rows of schedulers that are gone to the waiting ones;
    ``recovered`` lists their stars.

    Parameters
    ----------
    todo : path-like or str
        An SQLite file, its URL, or the URL of a PostgreSQL database.
    selection : Selection, optional
        The rows that this run is about.
    attempts : int
        How often a task is tried that failed for a reason that may pass.
    lease : float
        Seconds without a sign of life after which others take over its stars (PostgreSQL).
    folder : path-like, optional
        Where the summary of a run on a server is written; that of a file lies beside it.
    clear : callable, optional
        Called with the stars of schedulers that are gone, before anybody can begin them anew.

    Raises
    ------
    InputMissingError, InputBadError, IncompatibleError
        When the list is missing, no todo list, or of a newer schema.
    HeldError
        When another scheduler holds the file.
    """

    def __init__(self, todo, selection=None, *, attempts=3, lease=60.0, folder=None, clear=None):
        place = places.place(todo)
        self.run = records.run_id()
        self._store = FileStore(place, self.run) if place.is_file else ServerStore(place, self.run, lease)
        super().__init__(place, selection, self._store.perform)
        self.attempts = attempts
        self.recovered: list[int] = []
        self._folder, self._clear = folder, clear
        self._claimed: dict[int, Task] = {}
        self._running: set[int] = set()
        self._charged: Task | None = None
        self._buffer: list[tuple] = []
        self._oldest = 0.0
        self._commit_after = COMMIT_INTERVAL
        self._cursor = None
        self._ask_again = self._count_again = 0.0

    def __enter__(self):
        with contextlib.ExitStack() as held:
            held.enter_context(self._store)
            self.recovered = self._perform(self._settle_in)
            self._clear_summaries([self.run])
            self.progress = Progress(self._summary(self.run), self.run, self.counts())
            self._held = held.pop_all()
        return self

    def __exit__(self, kind, *_):
        with self._held:
            if self._store.away:
                return  # what it holds returns to the others when its leases run out
            self.give_back(list(self._claimed.values()))
            self.flush()
            self.progress.counts = self.counts()
            self.progress.write('stopped' if kind else 'ended')
            self._store.settle()

    def _summary(self, run):
        if self.place.is_file:
            return summary.summary_path(self.place.path)
        return self._folder and summary.shared_path(self._folder, run)

    def _settle_in(self, connection):
        todo_tables.adopt(connection)
        recovered = self._take_over(connection)
        orphans.restore_decisions(connection)
        return recovered

    def _take_over(self, connection):
        found = orphans.take_over(connection, self._store.orphaned(), self.attempts)
        stars = [row.starid for row in found]
        if stars and self._clear:
            self._clear(stars)
        self._clear_summaries({row.worker for row in found if row.worker})
        return stars

    def _clear_summaries(self, runs):
        for path in map(self._summary, runs):
            if path:
                summary.clear_left_behind(path)

    @staticmethod
    def peek(todo, selection=None) -> Counter:
        """Counts by status of a list that is only read: a file that no scheduler holds, or a server's."""
        with reader.opened(todo, selection) as listed:
            return listed.counts()

    # Before a run

    def narrow(self, selection):
        """Continue with another selection."""
        self.selection = selection
        self._cursor = None
        self.progress.counts = self.counts()

    def begin(self, version, sections, *, overwrite=False):
        """Write down this run and refuse settings other than those of the results that stand.

        On a server another run may be about to make some, so that its settings
        count as well.

        Raises
        ------
        IncompatibleError
            Naming the first setting that differs.
        HeldError
            With ``overwrite``, while others work on the same list.
        """
        with self._store.transaction() as connection:
            self._store.lock_settings(connection)
            stand = connection.execute(sa.select(todolist.c.priority).where(
                todolist.c.status.in_((STATUS.OK, STATUS.WARNING))).limit(1)).first()
            if overwrite:
                self._store.refuse_others(connection)
            elif stand or not self._store.alone:
                records.refuse_other_settings(connection, self.place, 'run_tessphot', sections)
            records.write(connection, self.run, 'run_tessphot', version, sections)

    def reset(self, *, everything=False, errors=False):
        """Let selected rows wait again: all that ended, or those with ERROR."""
        wanted = [*self.selection.clauses()]
        if not everything:
            wanted.append(todolist.c.status == int(STATUS.ERROR))
        if not (everything or errors):
            return
        with self._store.transaction() as connection:
            chosen = sa.select(todolist.c.priority).where(*wanted)
            connection.execute(sa.delete(diagnostics).where(diagnostics.c.priority.in_(chosen)))
            connection.execute(sa.update(todolist).where(todolist.c.priority.in_(chosen)).values(
                status=None, attempts=0, expired=0, worker=None, lease=None, begun=None))
            orphans.restore_decisions(connection)
        self.narrow(self.selection)

    def reopen_skipped(self):
        """Let the selected rows wait that a brighter star would deliver."""
        with self._store.transaction() as connection:
            connection.execute(sa.update(todolist).where(
                todolist.c.status == int(STATUS.SKIPPED), *self.selection.clauses()).values(status=None))
        self.narrow(self.selection)

    # During a run

    def claim(self, limit=64) -> list[Task]:
        """Start the waiting stars on the tile of the brightest one that waits.

        Rows that cannot be tasks end as ERROR. An empty list means that nothing
        waits; of a shared list, that nothing waits just now (`others_at_work`).
        """
        if time.monotonic() < self._ask_again:
            return []
        while True:
            tasks, bad = self._commit(lambda connection: self._take(connection, limit))
            self._note(tasks, bad)
            if tasks:
                return tasks
            if not bad and not self._find_orphans():
                return []

    def _find_orphans(self):
        """Whether rows came back from schedulers that are gone."""
        if self._store.alone:
            return False
        found = self._perform(self._take_over)
        self.recovered += found
        if not found:
            self._ask_again = time.monotonic() + _ASK_AGAIN
        return bool(found)

    def _take(self, connection, limit):
        tasks, bad = _understand(self._tile(connection, limit))
        if tasks:
            connection.execute(sa.update(todolist).where(
                todolist.c.priority.in_([task.priority for task in tasks])).values(
                status=int(STATUS.STARTED), worker=self.run, lease=self._store.lease(), begun=None))
        if bad:
            connection.execute(sa.update(todolist).where(
                todolist.c.priority.in_([row.priority for row, _ in bad])).values(status=int(STATUS.ERROR)))
            diagnoses.replace(connection, [
                diagnoses.failure(row.priority, Reason.INPUT_BAD, f'Row {row.priority}: {error}')
                for row, error in bad])
        return tasks, bad

    def _tile(self, connection, limit):
        """Waiting rows of the tile of the brightest one, past those that others are claiming just now."""
        waiting = [WAITS, *self.selection.clauses()]
        if self._cursor is not None:
            waiting.append(todolist.c.priority >= self._cursor)
        ordered = rows.select_tasks().order_by(todolist.c.priority).with_for_update(
            skip_locked=True, of=todolist)
        first = connection.execute(ordered.where(*waiting).limit(1)).first()
        if first is None:
            return []
        if self._store.alone:
            self._cursor = first.priority
        if first.tile is None:
            return [first]
        same = [todolist.c[name] == getattr(first, name) for name in
                ('sector', 'camera', 'ccd', 'tile', 'cadence', 'cube', 'datasource')]
        return connection.execute(ordered.where(*waiting, *same).limit(limit)).all() or [first]

    def _note(self, tasks, bad):
        """Keep in mind what was claimed and rejected, now that it is committed."""
        self._claimed.update((task.priority, task) for task in tasks)
        self._hold()
        self._count(None, STATUS.STARTED, len(tasks))
        self._count(None, STATUS.ERROR, len(bad))
        for row, error in bad:
            logger.info('Row %s: %s', row.priority, error)
            self.progress.last_error = f'Row {row.priority}: {error}'

    def _hold(self):
        self._store.hold({*self._claimed, *(changes['row'] for changes, _ in self._buffer)})

    def charge(self, task):
        """Count the attempt before the work begins, for workers that die with the scheduler.

        What came in before is committed with it: stars that have ended pay for no death.
        """
        self._charged = task
        self.flush()

    def begun(self, task):
        """Hear that a worker has begun a star, so that others know should this scheduler vanish."""
        if not self._store.alone and self._claimed.get(task.priority) == task:
            self._running.add(task.priority)

    def lost(self) -> list[Task]:
        """Stars that others have taken over because no sign of life came from here; never, of a file."""
        return [self._claimed[row] for row in self._store.lost() if row in self._claimed]

    def others_at_work(self) -> bool:
        """Whether selected rows may still come back from other schedulers; never, of a file."""
        if self._store.alone:
            return False
        counts = self.counts()
        return bool(counts[None] + counts[int(STATUS.STARTED)])

    def finish(self, result) -> bool:
        """Take a result; False (and nothing kept) when the task is not its sender's.

        It is committed by the next `flush`, `COMMIT_INTERVAL` later at most
        while `tick` is called. Of a shared list, one whose lease was taken over
        meanwhile is refused then.
        """
        task = result.task
        if self._claimed.get(task.priority) != task:
            logger.warning('A late result of %s is refused.', starids.name(task.starid))
            return False
        if result.status == STATUS.ABORT:
            self.give_back([task])
            return True
        again = (result.status == STATUS.ERROR and result.reason in RETRIED
                 and task.attempt + 1 < self.attempts)
        self._keep(task, None if again else int(result.status), task.attempt + 1,
                   rows.diagnostics_row(result))
        self.progress.finished += not again
        if result.status == STATUS.ERROR:
            sentence = '; '.join(result.errors) or result.reason
            self.progress.last_error = f'{starids.name(task.starid)}: {sentence}'
        return True

    def fail(self, task, reason, message) -> bool:
        """Keep the failure of a task whose worker can no longer say so."""
        return self.finish(Result(task, STATUS.ERROR, reason=reason, errors=(message,)))

    def give_back(self, tasks):
        """Let tasks wait again without counting an attempt."""
        for task in tasks:
            if self._claimed.get(task.priority) == task:
                self._keep(task, None, task.attempt, None)

    def forgive(self, tasks):
        """Let tasks that have ended wait again as if they had not been tried."""
        self.flush()
        if not tasks:
            return
        ended = [task.priority for task in tasks if task.priority not in self._claimed]
        self._perform(lambda connection: connection.execute(
            sa.update(todolist).where(todolist.c.priority.in_(ended), todolist.c.worker.is_(None)).values(
                status=None, attempts=0)))
        self.progress.counts = self.counts()
        self._cursor = None

    def leave(self, tasks):
        """Leave waiting tasks to the next run as if this scheduler had vanished, so it clears their files.

        Parameters
        ----------
        tasks : list of Task
            Stars whose half-written files could not be removed.
        """
        if not tasks:
            return
        untidy = todolist.c.priority.in_([task.priority for task in tasks])
        self._perform(lambda connection: connection.execute(
            sa.update(todolist).where(untidy, WAITS).values(
                status=int(STATUS.STARTED), worker=self.run, lease=self._store.lease(), begun=None)))
        self.progress.counts = self.counts()

    def _keep(self, task, status, attempts, diagnosis):
        del self._claimed[task.priority]
        self._running.discard(task.priority)
        if not self._buffer:
            self._oldest = time.monotonic()
        self._buffer.append(({'row': task.priority, 'status_': status, 'attempts_': attempts}, diagnosis))
        self._count(STATUS.STARTED, status)
        if status is None:
            self._ask_again = 0.0
            self._cursor = self._cursor and min(self._cursor, task.priority)

    def tick(self):
        """Commit results that have waited long enough; write the summary once a second."""
        now = time.monotonic()
        if (self._buffer or self._running) and (
                len(self._buffer) >= _COMMIT_ROWS or now - self._oldest >= self._commit_after):
            self.flush()
        if not self._store.alone and now > self._count_again:
            self.progress.counts = self.counts()
            self._count_again = time.monotonic() + max(_COUNT_AGAIN, 30 * (time.monotonic() - now))
        self.progress.tick()

    def flush(self):
        """Commit every result that came in."""
        if self._buffer or self._running or self._charged:
            self._commit()

    def _commit(self, also=lambda connection: None):
        """Write what came in and do something else, in one transaction; what the latter returns."""
        self._oldest = time.monotonic()
        kept, made = self._perform(lambda connection: (self._write(connection), also(connection)))
        took = time.monotonic() - self._oldest
        self._commit_after = min(COMMIT_INTERVAL, took / COMMIT_SHARE)
        late = [changes['row'] for changes, _ in self._buffer if changes['row'] not in kept]
        if late:
            logger.warning('Late results of %d stars are refused: others had taken them over.', len(late))
        self._buffer.clear()
        self._running.clear()
        self._charged = None
        self._hold()
        return made

    def _write(self, connection):
        kept = set()
        if self._buffer:
            kept = self._store.end(connection, [changes for changes, _ in self._buffer])
            diagnoses.replace(connection, [row for _, row in self._buffer if row and row['priority'] in kept])
        if self._running:
            self._store.note_begun(connection, self._running)
        if self._charged:
            connection.execute(sa.update(todolist).where(
                todolist.c.priority == self._charged.priority, todolist.c.worker == self.run).values(
                attempts=self._charged.attempt + 1))
        return kept

    def _count(self, before, after, number=1):
        self.progress.counts[before] = self.progress.counts.get(before, 0) - number
        self.progress.counts[after] = self.progress.counts.get(after, 0) + number


def _understand(found):
    tasks, bad = [], []
    for row in found:
        try:
            tasks.append(rows.task_from_row(row))
        except InputBadError as error:
            bad.append((row, error))
    return tasks, bad
