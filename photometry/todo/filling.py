"""Writing the rows of the todo list, old ones kept."""

from __future__ import annotations

import contextlib
import itertools
import logging
import operator

import sqlalchemy as sa

from photometry.core.errors import InputBadError
from photometry.core.status import STATUS
from photometry.files import atomic, todo_tables
from photometry.files.todo_tables import diagnostics, photometry_skipped, todolist
from photometry.todo import engine as engines
from photometry.todo import leases, places, records, server
from photometry.todo.owner import Owner

logger = logging.getLogger(__name__)

KEY = ('starid', 'datasource', 'sector', 'camera', 'ccd', 'cadence')
_FILLING = 7355_0001
"""Number of the lock under which the tables of a server are made."""

_AT_ONCE = 20_000
"""Rows that are written by one call."""

_CACHE_KB = 262_144
"""Memory for the pages of a new file, kB: keys come in no order, and their index is all over it."""

_PENDING = (None, int(STATUS.SKIPPED), int(STATUS.STARTED), int(STATUS.ABORT))


@contextlib.contextmanager
def opened(todo, *, overwrite=False):
    """The database to fill, in one transaction and kept from others; a new file appears whole or not at all.

    What a killed run left of a new file is removed. A truncated or unreadable
    todo file is replaced with ``overwrite``; one that belongs to something else
    never is.

    Yields
    ------
    sqlalchemy.Connection
    """
    place = places.place(todo)
    if not place.is_file:
        with _on_server(place) as connection:
            yield connection
        return
    path = place.path
    owner = Owner(path)
    try:
        if path.exists() and not (overwrite and _is_broken(path)):
            with _existing(path) as connection:
                yield connection
        else:
            for left_behind in path.parent.glob(f'.{path.name}.*.tmp*'):
                left_behind.unlink(missing_ok=True)
            with atomic.replaced(path) as temporary, _new(path, temporary) as connection:
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
def _new(path, temporary):
    engine = engines.connect(temporary, create=True)
    try:
        with engines.transaction(engine, path) as connection:
            connection.exec_driver_sql(f'PRAGMA cache_size = -{_CACHE_KB}')
            todo_tables.metadata.create_all(connection)
            yield connection
        with engines.explained(path), engine.connect() as connection:
            connection.exec_driver_sql('PRAGMA journal_mode=DELETE')
    finally:
        engine.dispose()


@contextlib.contextmanager
def _on_server(place):
    engine = server.connect(place)
    try:
        with server.transaction(engine, place) as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_FILLING)))
            if not todo_tables.is_new(connection, place):
                todo_tables.check(connection, place)
            todo_tables.adopt(connection)
            connection.execute(sa.text('LOCK TABLE todolist IN EXCLUSIVE MODE'))
            # their numbers must not change
            leases.refuse_leased(connection, place, 'wait for them, or stop them')
            yield connection
            connection.execute(sa.text('ANALYZE todolist'))
    finally:
        engine.dispose()


def read_all(connection):
    """What stands: rows, diagnostics, and who is delivered by whom, each by the key of the row."""
    rows = {_key(row): dict(row) for row in connection.execute(sa.select(todolist)).mappings()}
    key_of = {row['priority']: key for key, row in rows.items()}
    measured = {key_of[row['priority']]: dict(row) for row in
                connection.execute(sa.select(diagnostics)).mappings() if row['priority'] in key_of}
    pairs = connection.execute(sa.select(photometry_skipped.c.priority, photometry_skipped.c.skipped_by))
    skips = {key_of[one]: key_of[other] for one, other in pairs if one in key_of and other in key_of}
    return rows, measured, skips


def merge(connection, new, skipped_by, *, overwrite=False):
    """Add rows to those that stand, and number all in order of (tmag, starid).

    Rows with a result stay as they are; for the others the decision who is
    skipped is made anew. With ``overwrite`` nothing stays of the sectors and
    CCDs of the new rows.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    new : iterable of dict
        Columns of ``todolist`` without priority, status and attempts.
    skipped_by : dict
        Key of a row -> key of the row that delivers it.

    Returns
    -------
    dict
        Counts: listed, added, kept, skipped.
    """
    new = list(new)
    rows, measured, skips = read_all(connection)
    if overwrite:
        rows, measured = _without(rows, measured, {_ccd(row) for row in new})
    before = len(rows)
    targets = _in_targets(rows)
    for row in new:
        key = _key(row)
        if not _gives_way(targets.get(_place(row)), row, rows, measured):
            continue
        if key in rows and rows[key]['status'] not in _PENDING:
            continue
        stood = rows.get(key, _FRESH)
        rows[key] = _EMPTY | row | {name: stood[name] for name in _FRESH}
        skips.pop(key, None)
        if key in skipped_by:
            skips[key] = skipped_by[key]
    skips = {key: other for key, other in skips.items() if key in rows and other in rows}
    skipped = _number(rows, skips)
    _replace(connection, rows, measured, skips)
    return {'listed': len(rows), 'added': len(rows) - before, 'kept': before, 'skipped': skipped}


def enter(connection, new, skipped_by, *, overwrite=False):
    """Enter rows, each key once, in the `order` of the list: by `fill` where none stands, else by `merge`."""
    if connection.execute(sa.select(todolist.c.priority).limit(1)).first() is None:
        return fill(connection, new, skipped_by)
    return merge(connection, new, skipped_by, overwrite=overwrite)


def fill(connection, new, skipped_by):
    """Enter the first rows of a list, in their order, without keeping them all in memory.

    Parameters
    ----------
    connection, skipped_by
        As for `merge`.
    new : iterable of dict
        As for `merge`, every key once, in the `order` of the list.

    Returns
    -------
    dict
        Counts as of `merge`.
    """
    concerned, number = {*skipped_by, *skipped_by.values()}, {}
    stars = {key[0] for key in concerned}

    def numbered():
        for priority, row in enumerate(new, 1):
            if row['starid'] in stars and (key := _key(row)) in concerned:
                number[key] = priority
            yield {'priority': priority, **row, **_FRESH}
    listed = _insert(connection, todolist, numbered())
    skips = [{'priority': number[key], 'skipped_by': number[other]}
             for key, other in skipped_by.items() if key in number and other in number]
    if skips:
        connection.execute(
            sa.update(todolist).where(todolist.c.priority == sa.bindparam('row')).values(
                status=int(STATUS.SKIPPED)), [{'row': skip['priority']} for skip in skips])
    _insert(connection, photometry_skipped, skips)
    return {'listed': listed, 'added': listed, 'kept': 0, 'skipped': len(skips)}


def _insert(connection, table, rows) -> int:
    """Insert dictionaries with the same keys, as many at once as fit into little memory; how many.

    The statement is compiled once: SQLAlchemy would look at every row for longer than the
    database does.
    """
    rows, count = iter(rows), 0
    while part := list(itertools.islice(rows, _AT_ONCE)):
        if not count:
            compiled = sa.insert(table).compile(dialect=connection.dialect, column_keys=list(part[0]))
        if compiled.positional:
            values = list(map(operator.itemgetter(*compiled.positiontup), part))
        else:
            values = part
        connection.exec_driver_sql(str(compiled), values)
        count += len(part)
    return count


def _in_targets(rows):
    """Keys of the rows whose pixels come from target pixel files, by what tells their light curves apart."""
    return {_place(row): key for key, row in rows.items() if row['datasource'].startswith('tpf')}


def _gives_way(stood, row, rows, measured):
    """Whether a new row may enter; it takes the place of another one of its star in target pixel files.

    Both would write the same light curve: the star's own file comes before those of others, and
    what was measured in one of those stays before another one.
    """
    if stood is None or stood == _key(row) or not row['datasource'].startswith('tpf'):
        return True
    if row['datasource'] != 'tpf' and rows[stood]['status'] not in _PENDING:
        return False
    del rows[stood]
    measured.pop(stood, None)
    return True


def _without(rows, measured, ccds):
    """Rows and diagnostics of all other CCDs."""
    rows = {key: row for key, row in rows.items() if _ccd(row) not in ccds}
    return rows, {key: row for key, row in measured.items() if key in rows}


def _number(rows, skips):
    """Give every row its priority, and those without a result their status; the number of SKIPPED ones."""
    skipped = 0
    ordered = sorted(rows.items(), key=lambda item: order(item[0], item[1]['tmag']))
    for priority, (key, row) in enumerate(ordered, 1):
        row['priority'] = priority
        if row['status'] in _PENDING:
            row['status'] = int(STATUS.SKIPPED) if key in skips else None
            row['worker'] = row['lease'] = row['begun'] = None
        skipped += row['status'] == STATUS.SKIPPED
    return skipped


def _replace(connection, rows, measured, skips):
    number = {key: row['priority'] for key, row in rows.items()}
    for table in (photometry_skipped, diagnostics, todolist):
        connection.execute(sa.delete(table))
    for table, content in (
            (todolist, list(rows.values())),
            (diagnostics, [row | {'priority': number[key]} for key, row in measured.items()]),
            (photometry_skipped, [{'priority': number[key], 'skipped_by': number[other]}
                                  for key, other in skips.items()])):
        _insert(connection, table, content)


_key = operator.itemgetter(*KEY)
_place = operator.itemgetter('starid', 'sector', 'camera', 'ccd', 'cadence')
_ccd = operator.itemgetter('sector', 'camera', 'ccd')
_EMPTY = dict.fromkeys(todolist.c.keys())
_FRESH = {'attempts': 0, 'expired': 0}


def order(key, tmag):
    """By what rows are numbered: (tmag, starid), unknown magnitudes last, then the rest of the key."""
    return float('inf') if tmag is None else tmag, key[0], key


def record(connection, version, sections, inputs):
    """Write down which settings and inputs made these rows."""
    records.write(connection, records.run_id(), 'run_make_todo', version, sections, inputs)
