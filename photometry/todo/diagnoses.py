"""Writing what came of tasks into the table ``diagnostics``."""

from __future__ import annotations

import sqlalchemy as sa

from photometry.files.todo_tables import diagnostics

_EMPTY = dict.fromkeys(column.name for column in diagnostics.columns)


def replace(connection, given):
    """Write rows of ``diagnostics`` (dictionaries by column) over those of the same stars."""
    if not given:
        return
    connection.execute(sa.delete(diagnostics).where(diagnostics.c.priority == sa.bindparam('row')),
                       [{'row': row['priority']} for row in given])
    connection.execute(sa.insert(diagnostics), [_EMPTY | row for row in given])


def failure(priority, reason, sentence) -> dict:
    """The row of a star that no worker has measured."""
    return {'priority': priority, 'method_used': '', 'elaptime': 0.0, 'reason': str(reason),
            'errors': sentence}
