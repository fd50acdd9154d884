"""Writing what came of tasks into the table ``diagnostics``."""

from __future__ import annotations

import json

import sqlalchemy as sa

from photometry.files.todo_tables import diagnostics

_NAMES = [column.name for column in diagnostics.columns]
_EMPTY = dict.fromkeys(_NAMES)
_OF_SERVER = sa.text(
    'INSERT INTO diagnostics SELECT * FROM json_populate_recordset(NULL::diagnostics, CAST(:given AS json)) '
    'ON CONFLICT (priority) DO UPDATE SET '
    + ', '.join(f'{name} = excluded.{name}' for name in _NAMES if name != 'priority'))
"""All rows in one statement: sent one by one they would cost half of a server's time."""


def replace(connection, given):
    """Write rows of ``diagnostics`` (dictionaries by column) over those of the same stars."""
    if not given:
        return
    if connection.dialect.name == 'postgresql':
        connection.execute(_OF_SERVER, {'given': json.dumps(given)})
        return
    connection.execute(sa.delete(diagnostics).where(diagnostics.c.priority == sa.bindparam('row')),
                       [{'row': row['priority']} for row in given])
    connection.execute(sa.insert(diagnostics), [_EMPTY | row for row in given])


def failure(priority, reason, sentence) -> dict:
    """The row of a star that no worker has measured."""
    return {'priority': priority, 'method_used': '', 'elaptime': 0.0, 'reason': str(reason),
            'errors': sentence}
