"""A todo list on a PostgreSQL server, which any number of schedulers share by leases."""

from __future__ import annotations

import contextlib
import logging
import time

import sqlalchemy as sa

from photometry.files.todo_tables import settings
from photometry.todo import leases, server
from photometry.todo.heartbeat import Heartbeat

logger = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds that a server may be away during a run."""


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
    """Others change the rows all the time."""

    def __init__(self, place, run, lease):
        self.place, self._run, self._lease = place, run, lease
        self.away = False
        """Whether the server is given up."""
        self._known: frozenset[int] = frozenset()
        self._lost: set[int] = set()

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
        self._known = frozenset(priorities)

    def lost(self):
        """Rows that others were found to have taken over since this was asked last."""
        lost, self._lost = self._lost, set()
        return lost

    def lease(self):
        """Until when a row is held that is claimed now."""
        return leases.until(self._lease)

    def orphaned(self):
        """Condition on rows whose scheduler gave no sign of life for a lease."""
        return leases.run_out(self._lease, self._known)

    def lock_settings(self, connection):
        """Let no other scheduler begin until the transaction ends."""
        connection.execute(sa.text(f'LOCK TABLE {settings.name} IN SHARE ROW EXCLUSIVE MODE'))

    def refuse_others(self, connection):
        """Raise while others work on the list."""
        leases.refuse_leased(connection, self.place, 'stop them, or start without --overwrite')

    def note_begun(self, connection, priorities):
        """Write down which stars are being measured."""
        leases.note_begun(connection, self._run, priorities)

    def end(self, connection, changes):
        """End those rows that still are this scheduler's own; the set of them."""
        return leases.end(connection, self._run, changes)

    def _renew(self):
        with self._engine.begin() as connection:
            self._lost = leases.renew(connection, self._run, self._known, self._lease)
