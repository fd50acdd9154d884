"""Todo files for tests."""

import sqlite3

import psycopg

from photometry.todo import filling

CUBE = 'sector001_camera1_ccd1.hdf5'

ESTABLISHED = """
CREATE TABLE todolist (priority INTEGER PRIMARY KEY ASC NOT NULL, starid INTEGER NOT NULL,
    sector INTEGER NOT NULL, datasource TEXT NOT NULL DEFAULT 'ffi', camera INTEGER NOT NULL,
    ccd INTEGER NOT NULL, cadence INTEGER NOT NULL, method TEXT, tmag REAL, status INTEGER,
    cbv_area INTEGER NOT NULL);
INSERT INTO todolist VALUES (1, 11, 1, 'ffi', 1, 1, 1800, NULL, 9.5, NULL, 111);
INSERT INTO todolist VALUES (2, 12, 1, 'tpf:11', 1, 1, 120, 'halo', 10.5, 1, 111);
"""


def row(starid, tmag=None, **changes):
    """A row of the list without priority."""
    return {'starid': starid, 'datasource': 'ffi', 'sector': 1, 'camera': 1, 'ccd': 1, 'cadence': 1800,
            'method': None, 'tmag': 5 + starid / 1000 if tmag is None else tmag, 'cbv_area': 111,
            'tile': starid % 3, 'cube': CUBE} | changes


def key(starid, **changes):
    """The key of such a row."""
    return tuple(row(starid, **changes)[name] for name in filling.KEY)


def fill(path, number=10, *, rows=None, skips=None, overwrite=False):
    """Make or extend a todo file."""
    rows = [row(starid) for starid in range(1, number + 1)] if rows is None else rows
    with filling.opened(path, overwrite=overwrite) as connection:
        filling.merge(connection, rows, skips or {}, overwrite=overwrite)
        filling.record(connection, '0', {'todo': {}}, '[]')
    return path


def established(place):
    """A todo list as other pipelines make it, in a file or on a server."""
    if '://' in str(place):
        query(place, ESTABLISHED.replace('PRIMARY KEY ASC', 'PRIMARY KEY'))
        return place
    connection = sqlite3.connect(place)
    connection.executescript(ESTABLISHED)
    connection.close()
    return place


def query(place, sql, *values):
    """Rows of a query through another library than the manager's."""
    if '://' in str(place):
        return _query_server(place, sql, values)
    connection = sqlite3.connect(place, timeout=5)
    try:
        found = connection.execute(sql, values).fetchall()
        connection.commit()
        return found
    finally:
        connection.close()


def _query_server(url, sql, values):
    with psycopg.connect(url.replace('+psycopg', ''), autocommit=True) as connection:
        cursor = connection.execute(sql.replace('?', '%s'), values or None)
        return cursor.fetchall() if cursor.description else []


def statuses(path):
    """Status by starid."""
    return dict(query(path, 'SELECT starid, status FROM todolist'))
