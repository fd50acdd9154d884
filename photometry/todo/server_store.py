"""A todo list on a PostgreSQL server, which any number of schedulers share by leases."""

from __future__ import annotations

import contextlib
import logging
import time

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from photometry.core.status import STATUS
from photometry.files.todo_tables import settings, todolist
from photometry.todo import server
from photometry.todo.heartbeat import Heartbeat

logger = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds that a server may be away during a run."""

_NUMBERS = postgresql.ARRAY(sa.BigInteger)
_UP_SINCE = sa.func.extract('epoch', sa.func.pg_postmaster_start_time())


class ServerStore:
    """Holds claimed rows by leases that it renews until it is closed or dies.

    Parameters
    ----------
    place : photometry.todo.places.Place
    run : str
        Name of this scheduler, unique.
    lease : float
        Seconds without a sign of life after which others may take its rows.
    """

    alone = False

    def __init__(self, place, run, lease):
        self.place, self._run, self._lease = place, run, lease
        self.away = False
        self._held_rows: frozenset[int] = frozenset()

    def __enter__(self):
        with contextlib.ExitStack() as held:
            self._engine = server.connect(self.place, self._lease)
            held.callback(self._engine.dispose)
            with self.transaction() as connection:
                server.check(connection, self.place)  # a wrong URL shows here, and is not tried again
            held.enter_context(Heartbeat(self._renew, self._lease / 4))
            self._held = held.pop_all()
        return self

    def __exit__(self, *exception):
        self._held.close()

    def transaction(self):
        """A connection whose changes are committed together or not at all; tried once."""
        return server.transaction(self._engine, self.place)

    def perform(self, work):
        """What ``work(connection)`` returns, done in one transaction.

        It is done again while the server is away, so it must change nothing but
        the database.

        Raises
        ------
        ServerAwayError
            After `PATIENCE` seconds, and from then on at once.
        """
        until = time.monotonic() + (0 if self.away else PATIENCE)
        pause = 0.05
        while True:
            try:
                with self._engine.begin() as connection:
                    return work(connection)
            except sa.exc.DBAPIError as error:
                if not server.is_passing(error):
                    raise server.explanation(self.place, error) from error
                self._wait(error, until, pause)
            pause = min(2 * pause, 2.0)

    def _wait(self, error, until, pause):
        if time.monotonic() > until:
            self.away = True
            raise server.ServerAwayError(f'The server of {self.place} has been away for {PATIENCE:g} s; '
                                         'start the same command when it is back.') from error
        logger.log(logging.WARNING if pause > 1 else logging.DEBUG, 'Waiting for the server of %s (%s).',
                   self.place, ' '.join(str(error.orig).split()))
        time.sleep(pause)

    def settle(self):
        """Nothing lies about that would have to be tidied."""

    # Who holds a row

    def hold(self, priorities):
        """Renew the leases of these rows from now on, and of no others."""
        self._held_rows = frozenset(priorities)

    def lease(self):
        """Until when a row is held that is claimed now."""
        return server.NOW + self._lease

    def _renew(self):
        mine = sa.select(todolist.c.priority).where(
            todolist.c.priority == sa.func.any(sa.bindparam('rows', list(self._held_rows), _NUMBERS)),
            todolist.c.status == int(STATUS.STARTED), todolist.c.worker == self._run)
        with self._engine.begin() as connection:
            connection.execute(sa.update(todolist).where(todolist.c.priority.in_(
                mine.with_for_update(skip_locked=True).scalar_subquery())).values(lease=self.lease()))

    def orphaned(self):
        """Condition on rows whose lease ran out.

        After the server itself was away everybody has a whole lease to come
        back. Rows that this scheduler claimed without hearing of it (a
        connection that broke in the middle of a commit) are not renewed, so
        that they run out like those of others.
        """
        return sa.and_(
            todolist.c.status == int(STATUS.STARTED), todolist.c.lease < server.NOW,
            _UP_SINCE + self._lease < server.NOW,
            todolist.c.priority != sa.func.all(sa.bindparam('rows', list(self._held_rows), _NUMBERS)))

    def lock_settings(self, connection):
        """Let no other scheduler begin until the transaction ends."""
        connection.execute(sa.text(f'LOCK TABLE {settings.name} IN SHARE ROW EXCLUSIVE MODE'))

    @staticmethod
    def note_begun(connection, run, priorities):
        """Write down which stars of a run are being measured."""
        connection.execute(sa.update(todolist).where(
            todolist.c.priority == sa.func.any(sa.bindparam('rows', sorted(priorities), _NUMBERS)),
            todolist.c.status == int(STATUS.STARTED), todolist.c.worker == run).values(begun=server.NOW))

    @staticmethod
    def end(connection, run, changes):
        """End those rows of a run that still are its own; the set of them."""
        found = connection.execute(_END, {'run': run, **{
            name: [change[name] for change in changes] for name in ('row', 'status_', 'attempts_')}})
        return set(found.scalars())


_GIVEN = sa.func.unnest(
    sa.bindparam('row', type_=_NUMBERS), sa.bindparam('status_', type_=_NUMBERS),
    sa.bindparam('attempts_', type_=_NUMBERS)).table_valued(
    'row', 'status', 'attempts', name='given').render_derived()
_END = sa.update(todolist).where(
    todolist.c.priority == _GIVEN.c.row, todolist.c.status == int(STATUS.STARTED),
    todolist.c.worker == sa.bindparam('run')).values(
    status=_GIVEN.c.status, attempts=_GIVEN.c.attempts, worker=None, lease=None, begun=None).returning(
    todolist.c.priority)
