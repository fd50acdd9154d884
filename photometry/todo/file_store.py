"""A todo list in an SQLite file, which one scheduler owns."""

from __future__ import annotations

import contextlib

import sqlalchemy as sa

from photometry.core.status import STATUS
from photometry.files.todo_tables import todolist
from photometry.todo import engine as engines
from photometry.todo.owner import Owner


class FileStore:
    """Keeps every other scheduler out while it is open.

    Parameters
    ----------
    place : photometry.todo.places.Place
    run : str
        Name of this scheduler.
    """

    alone = True
    """Nobody else changes the rows: what was read once stays true."""
    away = False
    """A file does not go away."""

    def __init__(self, place, run):
        self.place, self._run = place, run

    def __enter__(self):
        with contextlib.ExitStack() as held:
            engines.check_file(self.place.path)
            held.callback(Owner(self.place.path).close)
            self._engine = engines.connect(self.place.path)
            held.callback(self._engine.dispose)
            with self.transaction() as connection:
                engines.check(connection, self.place)
                engines.check_structure(connection, self.place)
            self._held = held.pop_all()
        return self

    def __exit__(self, *exception):
        self._held.close()

    def transaction(self):
        """A connection whose changes are committed together or not at all."""
        return engines.transaction(self._engine, self.place.path)

    def perform(self, work):
        """What ``work(connection)`` returns, done in one transaction."""
        with self.transaction() as connection:
            return work(connection)

    def settle(self):
        """Fold the write-ahead log in, so that the file can be copied or read anywhere."""
        with engines.explained(self.place.path), self._engine.connect() as connection:
            connection.exec_driver_sql('PRAGMA journal_mode=DELETE')

    # Who holds a row

    def hold(self, priorities):
        """The owner of the file holds all of them already."""

    def lost(self):
        """Rows that others have taken over: none can be."""
        return ()

    def lease(self):
        """Until when a claimed row is held: as long as the file."""
        return None

    def orphaned(self):
        """Condition on rows whose scheduler is gone; on opening, every STARTED one."""
        return todolist.c.status == int(STATUS.STARTED)

    def lock_settings(self, connection):
        """Let no other scheduler begin meanwhile; none can."""

    def refuse_others(self, connection):
        """Raise while others work on the list; none can."""

    def end(self, connection, changes):
        """End rows that are this scheduler's own; the set of them, which is all.

        Parameters
        ----------
        connection : sqlalchemy.Connection
        changes : list of dict
            row, ``status_`` and ``attempts_``.
        """
        connection.execute(_END, [change | {'run': self._run} for change in changes])
        return {change['row'] for change in changes}


_END = sa.update(todolist).where(
    todolist.c.priority == sa.bindparam('row'), todolist.c.status == int(STATUS.STARTED),
    todolist.c.worker == sa.bindparam('run')).values(
    status=sa.bindparam('status_'), attempts=sa.bindparam('attempts_'), worker=None, lease=None)
