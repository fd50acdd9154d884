"""Who holds which rows of a shared list until when, by the server's clock."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from photometry.core.status import STATUS
from photometry.files.todo_tables import todolist
from photometry.todo import server
from photometry.todo.owner import HeldError

_NUMBERS = postgresql.ARRAY(sa.BigInteger)
_STARTED = todolist.c.status == int(STATUS.STARTED)
_LEASE = sa.func.coalesce(sa.func.nullif(todolist.c.lease, sa.cast('NaN', sa.Float)), 0)
"""Until when a row is held; without a time, as in lists made elsewhere, by nobody (NaN is above all)."""

_UP_SINCE = sa.func.extract('epoch', sa.func.pg_postmaster_start_time())


def until(lease):
    """When a lease of so many seconds that is taken now runs out."""
    return server.NOW + lease


def among(priorities):
    """Condition on rows with these numbers."""
    return todolist.c.priority == sa.func.any(sa.bindparam('rows', sorted(priorities), _NUMBERS))


def of(run):
    """Condition on the rows that a run holds."""
    return sa.and_(_STARTED, todolist.c.worker == run)


def run_out(lease, known):
    """Condition on rows whose lease ran out, but for those that the asking scheduler knows to be its own.

    After the server itself was away everybody has a whole lease to come back.
    A row that was claimed by a connection which broke in the middle of a
    commit is known to nobody: it is renewed by nobody and runs out like others.
    """
    return sa.and_(_STARTED, _LEASE < server.NOW, _UP_SINCE + lease < server.NOW, ~among(known))


def renew(connection, run, known, lease) -> set[int]:
    """Hold rows for another while, passing by those that are just ending; which of them others have."""
    mine = sa.select(todolist.c.priority).where(among(known), of(run))
    held = set(connection.execute(mine).scalars())
    connection.execute(sa.update(todolist).where(todolist.c.priority.in_(
        mine.with_for_update(skip_locked=True).scalar_subquery())).values(lease=until(lease)))
    return set(known) - held


def note_begun(connection, run, priorities):
    """Write down which stars of a run are being measured."""
    connection.execute(sa.update(todolist).where(among(priorities), of(run)).values(begun=server.NOW))


def end(connection, run, changes) -> set[int]:
    """End those rows of a run that still are its own.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : str
    changes : list of dict
        row, ``status_`` and ``attempts_``.

    Returns
    -------
    set of int
        The rows that ended; the others have been taken over.
    """
    found = connection.execute(_END, {'run': run, **{
        name: [change[name] for change in changes] for name in ('row', 'status_', 'attempts_')}})
    return set(found.scalars())


_GIVEN = sa.func.unnest(*(sa.bindparam(name, type_=_NUMBERS) for name in ('row', 'status_', 'attempts_')))
_GIVEN = _GIVEN.table_valued('row', 'status', 'attempts', name='given').render_derived()
_END = sa.update(todolist).where(
    todolist.c.priority == _GIVEN.c.row, _STARTED, todolist.c.worker == sa.bindparam('run')).values(
    status=_GIVEN.c.status, attempts=_GIVEN.c.attempts, worker=None, lease=None, begun=None).returning(
    todolist.c.priority)


def refuse_leased(connection, place, cure):
    """Raise `HeldError` while schedulers hold rows whose lease still runs."""
    statement = sa.select(sa.func.count(), sa.func.count(todolist.c.worker.distinct())).where(
        _STARTED, todolist.c.lease > server.NOW)
    stars, schedulers = connection.execute(statement).one()
    if stars:
        raise HeldError(f'{stars} stars of {place} are being measured by {schedulers} schedulers; {cure}.')
