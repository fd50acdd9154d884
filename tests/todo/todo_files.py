"""Todo files for tests."""

import sqlite3

from photometry.todo import filling

CUBE = 'sector001_camera1_ccd1.hdf5'


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


def query(path, sql, *values):
    """Rows of a query through another library than the manager's."""
    connection = sqlite3.connect(path, timeout=5)
    try:
        found = connection.execute(sql, values).fetchall()
        connection.commit()
        return found
    finally:
        connection.close()


def statuses(path):
    """Status by starid."""
    return dict(query(path, 'SELECT starid, status FROM todolist'))
