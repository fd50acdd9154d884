"""Rows of a todo file through another library than the manager's."""

import contextlib
import sqlite3


def query(path, sql, *values):
    """Rows of a query."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def change(path, sql, *values):
    """Change rows behind the manager's back."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql, values)
