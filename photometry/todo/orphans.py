"""Rows whose scheduler is gone: back to the waiting ones, or given up."""

from __future__ import annotations

import sqlalchemy as sa

from photometry.core.errors import Reason
from photometry.core.status import STATUS
from photometry.files.todo_tables import photometry_skipped, todolist
from photometry.todo import diagnoses

EXPIRIES = 10
"""How often a star may have been running when its scheduler vanished."""

_SKIPPED_ROWS = sa.select(photometry_skipped.c.priority)
_RETURN = sa.update(todolist).where(todolist.c.priority == sa.bindparam('row')).values(
    status=sa.bindparam('status_'), expired=sa.bindparam('expired_'), worker=None, lease=None, begun=None)


def take_over(connection, orphaned, attempts) -> list:
    """Let orphaned rows wait again, but for stars with which the program died too often.

    Nobody knows what ended a scheduler, so its stars are not charged an
    attempt; only those that were running count how often that happened.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    orphaned : sqlalchemy condition
    attempts : int
        How often a star is tried that is charged before it begins.

    Returns
    -------
    list
        The rows with their starid, and the worker that had them.
    """
    found = connection.execute(sa.select(
        *(todolist.c[name] for name in ('priority', 'starid', 'worker', 'attempts', 'expired', 'begun'))
    ).where(orphaned).with_for_update(skip_locked=True)).all()
    if not found:
        return []
    changes, lost = [], []
    for row in found:
        expired = row.expired + (row.begun is not None)
        gone = row.attempts >= attempts or expired >= EXPIRIES
        lost += [row.priority] if gone else []
        changes.append({'row': row.priority, 'status_': int(STATUS.ERROR) if gone else None,
                        'expired_': expired})
    connection.execute(_RETURN, changes)
    diagnoses.replace(connection, [
        diagnoses.failure(priority, Reason.CRASH, 'The program died each time that this star was measured.')
        for priority in lost])
    return found


def restore_decisions(connection):
    """Skip again what waits although a brighter star delivers it, and let aborted rows wait."""
    connection.execute(sa.update(todolist).where(todolist.c.status == int(STATUS.ABORT)).values(status=None))
    connection.execute(sa.update(todolist).where(
        todolist.c.status.is_(None), todolist.c.priority.in_(_SKIPPED_ROWS)).values(
        status=int(STATUS.SKIPPED)))
