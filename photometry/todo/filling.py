"""Writing the rows of the todo list, old ones kept."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

import sqlalchemy as sa

from photometry.core.errors import InputBadError
from photometry.core.status import STATUS
from photometry.files import atomic, todo_tables
from photometry.files.todo_tables import diagnostics, photometry_skipped, todolist
from photometry.todo import engine as engines
from photometry.todo import records
from photometry.todo.owner import Owner

logger = logging.getLogger(__name__)

KEY = ('starid', 'datasource', 'sector', 'camera', 'ccd', 'cadence')
_PENDING = (None, int(STATUS.SKIPPED), int(STATUS.STARTED), int(STATUS.ABORT))


@contextlib.contextmanager
def opened(todo, *, overwrite=False):
    """The database to fill, owned, in one transaction; a new one appears whole or not at all.

    A truncated or unreadable todo file is replaced with ``overwrite``; one
    that belongs to something else never is.

    Yields
    ------
    sqlalchemy.Connection
    """
    path = engines.sqlite_path(todo)
    owner = Owner(path)
    try:
        if path.exists() and not (overwrite and _is_broken(path)):
            with _existing(path) as connection:
                yield connection
        else:
            with atomic.replaced(path) as temporary, _new(temporary) as connection:
                yield connection
    finally:
        owner.close()


def _is_broken(path):
    """Whether a file once was a todo list: it begins like a database but cannot be read."""
    if path.stat().st_size == 0:
        return True
    with open(path, 'rb') as stream:
        if not stream.read(16).startswith(b'SQLite format 3'):
            return False
    try:
        engines.check_file(path)
    except InputBadError:
        return True
    return False


@contextlib.contextmanager
def _existing(path):
    engines.check_file(path)
    engine = engines.connect(path)
    try:
        with engines.transaction(engine, path) as connection:
            todo_tables.check(connection, path)
            todo_tables.adopt(connection)
            yield connection
        with engines.explained(path), engine.connect() as connection:
            connection.exec_driver_sql('PRAGMA journal_mode=DELETE')
    finally:
        engine.dispose()


@contextlib.contextmanager
def _new(path):
    engine = engines.connect(path, create=True)
    try:
        with engines.transaction(engine, path) as connection:
            todo_tables.metadata.create_all(connection)
            yield connection
        with engines.explained(path), engine.connect() as connection:
            connection.exec_driver_sql('PRAGMA journal_mode=DELETE')
    finally:
        engine.dispose()


def read_all(connection):
    """(todolist rows, diagnostics rows, {priority: priority of the brighter star})."""
    listed = [dict(row) for row in connection.execute(sa.select(todolist)).mappings()]
    measured = [dict(row) for row in connection.execute(sa.select(diagnostics)).mappings()]
    skipped = dict(connection.execute(sa.select(photometry_skipped.c.priority,
                                                photometry_skipped.c.skipped_by)).all())
    return listed, measured, skipped


def merge(connection, new, skipped_by, *, overwrite=False):
    """Add rows to those that stand, and number all in order of (tmag, starid).

    Rows with a result stay as they are unless ``overwrite``; for the others
    the decision who is skipped is made anew.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    new : list of dict
        Columns of ``todolist`` without priority and status.
    skipped_by : dict
        Key of a row -> key of the row that delivers it.

    Returns
    -------
    dict
        Counts: listed, added, kept, skipped.
    """
    old, measured, old_skips = read_all(connection)
    key_of = {row['priority']: _key(row) for row in old}
    skips = {key_of[one]: key_of[other] for one, other in old_skips.items()
             if one in key_of and other in key_of}
    rows = {_key(row): row for row in old}
    added = 0
    for row in new:
        key = _key(row)
        before = rows.get(key)
        added += before is None
        if before is None or overwrite or before['status'] in _PENDING:
            rows[key] = dict.fromkeys(todolist.c.keys()) | row | {
                'attempts': 0 if before is None or overwrite else before['attempts']}
            skips.pop(key, None)
            if key in skipped_by:
                skips[key] = skipped_by[key]
    ordered = sorted(rows.values(), key=_brightness)
    number = {_key(row): priority for priority, row in enumerate(ordered, 1)}
    skips = {key: other for key, other in skips.items() if key in number and other in number}
    for row in ordered:
        key = _key(row)
        row['priority'] = number[key]
        if row['status'] in _PENDING:
            row['status'] = int(STATUS.SKIPPED) if key in skips else None
    again = {_key(row) for row in new} if overwrite else set()
    diagnosed = [row | {'priority': number[key_of[row['priority']]]} for row in measured
                 if row['priority'] in key_of and key_of[row['priority']] not in again]
    _replace(connection, ordered, diagnosed,
             [{'priority': number[key], 'skipped_by': number[other]} for key, other in skips.items()])
    return {'listed': len(ordered), 'added': added, 'kept': len(ordered) - added,
            'skipped': sum(row['status'] == STATUS.SKIPPED for row in ordered)}


def _replace(connection, listed, diagnosed, skipped):
    for table in (photometry_skipped, diagnostics, todolist):
        connection.execute(sa.delete(table))
    for table, rows in ((todolist, listed), (diagnostics, diagnosed), (photometry_skipped, skipped)):
        if rows:
            connection.execute(sa.insert(table), rows)


def _key(row):
    return tuple(row[name] for name in KEY)


def _brightness(row):
    tmag = row['tmag']
    return (float('inf') if tmag is None else tmag, row['starid'], row['sector'], row['camera'], row['ccd'],
            row['cadence'], row['datasource'])


def record(connection, version, sections, inputs):
    """Write down which settings and inputs made these rows."""
    records.write(connection, records.run_id(), 'run_make_todo', version, sections, inputs)


def default_path(input_folder) -> Path:
    """Where the todo list of an input directory lies."""
    return Path(input_folder) / 'todo.sqlite'
