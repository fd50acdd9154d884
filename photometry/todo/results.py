"""Reading what became of every star, part by part."""

from __future__ import annotations

import contextlib

import sqlalchemy as sa

from photometry.files import todo_tables
from photometry.files.todo_tables import diagnostics, photometry_skipped, todolist
from photometry.todo import opening, owner, places
from photometry.todo.selection import Selection

PART = 50_000
"""Rows read at once."""

_CCD = (todolist.c.sector, todolist.c.camera, todolist.c.ccd)
_BRIGHTER = todolist.alias('brighter')


@contextlib.contextmanager
def opened(todo):
    """A todo list that no scheduler owns, only to be read.

    Yields
    ------
    sqlalchemy.Connection

    Raises
    ------
    HeldError
        While a scheduler works on the file.
    InputMissingError, InputBadError, IncompatibleError
        When the list is missing or cannot be read.
    """
    place = places.place(todo)
    if place.is_file:
        owner.refuse_held(place.path)
    with opening.readonly(place) as (_, connection):
        yield connection


def columns_there(connection, table) -> list:
    """The columns of a table that a database has; none of a table that it lacks."""
    found = todo_tables.columns(connection).get(table.name, ())
    return [column for column in table.columns if column.name in found]


def ccds(connection, selection=None) -> list:
    """(sector, camera, ccd) of all rows, in order."""
    wanted = (selection or Selection()).clauses()
    found = connection.execute(sa.select(*_CCD).where(*wanted).distinct().order_by(*_CCD))
    return [tuple(row) for row in found]


def counts_by_ccd(connection) -> dict:
    """(sector, camera, ccd) -> number of rows by status; None counts what waits."""
    made = {}
    for *ccd, status, number in connection.execute(
            sa.select(*_CCD, todolist.c.status, sa.func.count()).group_by(*_CCD, todolist.c.status)):
        made.setdefault(tuple(ccd), {})[status] = number
    return made


def of_ccd(connection, ccd, selection=None):
    """What became of the stars of a CCD.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    ccd : tuple of int
        (sector, camera, ccd).
    selection : Selection, optional

    Yields
    ------
    list of sqlalchemy.Row
        At most `PART`, in order of priority: columns of ``todolist`` and ``diagnostics``, and
        ``skipped_by``, the brighter star; a column that an old list lacks is missing.
    """
    joined, chosen = todolist, columns_there(connection, todolist)
    measured = columns_there(connection, diagnostics)
    if measured:
        joined = joined.outerjoin(diagnostics, diagnostics.c.priority == todolist.c.priority)
        chosen += [column for column in measured if column.name not in todolist.c]
    if columns_there(connection, photometry_skipped):
        joined = (joined.outerjoin(photometry_skipped, photometry_skipped.c.priority == todolist.c.priority)
                  .outerjoin(_BRIGHTER, _BRIGHTER.c.priority == photometry_skipped.c.skipped_by))
        chosen.append(_BRIGHTER.c.starid.label('skipped_by'))
    statement = sa.select(*chosen).select_from(joined).where(
        *(column == value for column, value in zip(_CCD, ccd, strict=True)),
        *(selection or Selection()).clauses()).order_by(todolist.c.priority)
    yield from connection.execute(statement, execution_options={'yield_per': PART}).partitions()
