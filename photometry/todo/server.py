"""Opening a todo database on a PostgreSQL server, with errors that say what is wrong."""

from __future__ import annotations

import contextlib

import sqlalchemy as sa

from photometry.core.errors import (
    ExitCode,
    InputBadError,
    InputMissingError,
    OutputError,
    TessphotError,
    UsageError,
)
from photometry.files import todo_tables
from photometry.todo.places import ListMissingError

_TIMES = {'connect_timeout': '10', 'keepalives_idle': '15', 'keepalives_interval': '5',
          'tcp_user_timeout': '30000'}
"""Seconds (the last: milliseconds) after which a server that says nothing counts as away."""

NOW = sa.func.extract('epoch', sa.func.clock_timestamp())
"""The server's clock, s since 1970: those of the nodes may differ."""

_AWAY = ('08', '57P', '25P03', '53')
"""Beginnings of SQLSTATE that a server gives when it stops, starts, or has too much to do."""

_REFUSED = ('08', '28', '3D', '57P')
"""Beginnings of SQLSTATE when a connection is refused: server, user, database."""

_CONFLICT = ('40001', '40P01')
"""SQLSTATE of transactions that may simply be tried again."""


class ServerAwayError(TessphotError):
    """The server went away during a run and did not come back in time."""

    exit_code = ExitCode.RESUMABLE


def connect(place, idle=0.0):
    """An engine whose connections are tested before use.

    Parameters
    ----------
    place : photometry.todo.places.Place
    idle : float
        Seconds that a transaction may lie idle, so that rows become free which a
        stopped process has locked; 0 for no limit.

    Raises
    ------
    UsageError
        When psycopg is not installed.
    """
    try:
        engine = sa.create_engine(place.url.update_query_dict(
            {name: value for name, value in _TIMES.items() if name not in place.url.query}),
            pool_size=1, max_overflow=1, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise UsageError('A todo list on a PostgreSQL server needs psycopg; install it with '
                         'pip install "tessphot[postgresql]".') from error
    @sa.event.listens_for(engine, 'connect')
    def greet(connection, _):
        connection.execute(f"SET application_name = 'tessphot'; "
                           f"SET idle_in_transaction_session_timeout = '{1000 * idle:.0f}ms'")
        connection.commit()
    return engine


def is_passing(error) -> bool:
    """Whether a database error may pass by itself: the server is away, or two transactions met."""
    state = getattr(error.orig, 'sqlstate', None)
    if state is None:
        return isinstance(error, sa.exc.OperationalError) or error.connection_invalidated
    return state.startswith(_AWAY) or state in _CONFLICT


def check(connection, place):
    """Refuse a database or schema without a todo list, or with one of another schema (`todo_tables.check`).

    Raises
    ------
    ListMissingError
        When nobody has filled it yet.
    """
    if todo_tables.is_new(connection, place):
        raise ListMissingError(f'{place} holds no todo list; make it with run_make_todo.py.')
    todo_tables.check(connection, place)


@contextlib.contextmanager
def explained(place):
    """Turn what a server says into a sentence."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise explanation(place, error) from error


def explanation(place, error) -> TessphotError:
    """The sentence for a database error; it repeats the server's words, which hold no password."""
    said = ' '.join(str(error.orig or error).split())[:300]
    state = getattr(error.orig, 'sqlstate', None) or ''
    lower = said.lower()
    if 'invalid connection option' in lower or 'invalid uri' in lower or 'invalid integer value' in lower:
        return UsageError(f'The URL of the todo list {place} cannot be used ({said}).')
    if isinstance(error, sa.exc.OperationalError) and (not state or state.startswith(_REFUSED)):
        return InputMissingError(f'The todo list {place} cannot be opened ({said}); check the URL, the '
                                 'password (PGPASSWORD or ~/.pgpass) and whether the server runs.')
    if state.startswith('53'):
        return OutputError(f'The server of {place} has no room left ({said}); the same command continues.')
    if state == '42501' or state == '3F000' or state == '25006':
        return OutputError(f'Cannot write to {place} ({said}); grant the rights or make the schema.')
    return InputBadError(f'{place} cannot be used ({said}); name another database or schema.')


@contextlib.contextmanager
def transaction(engine, place):
    """A connection whose changes are committed together or not at all."""
    with explained(place), engine.begin() as connection:
        yield connection
