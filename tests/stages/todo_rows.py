"""Rows of a todo file through another library than the manager's."""

import sqlite3


def query(path, sql, *values):
    """Rows of a query."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()
