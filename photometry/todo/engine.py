"""Opening a todo database in an SQLite file, with errors that say what is wrong with it."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

import sqlalchemy as sa

from photometry.core.errors import InputBadError, OutputError
from photometry.files import todo_tables
from photometry.todo.places import ListMissingError

logger = logging.getLogger(__name__)

_MAGIC = b'SQLite format 3\x00'
_CURE = 'move it away and run run_make_todo.py'


def check_file(path):
    """Refuse a file that cannot be an SQLite database.

    Raises
    ------
    ListMissingError
        When it does not exist.
    InputBadError
        When it is empty, something else or truncated.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputBadError(f'{path} is no file; {_CURE}.')
    if not path.exists():
        raise ListMissingError(f'The todo file {path} does not exist; make it with run_make_todo.py.')
    with open(path, 'rb') as stream:
        header = stream.read(100)
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise InputBadError(f'{path} is not an SQLite database; {_CURE}.')
    page = int.from_bytes(header[16:18], 'big')
    page = 65536 if page == 1 else page
    expected = page * int.from_bytes(header[28:32], 'big')
    log = path.with_name(path.name + '-wal')
    if log.exists() and log.stat().st_size:
        return  # a killed run was folding its log in; SQLite completes the file from it
    if path.stat().st_size < expected:
        raise InputBadError(f'{path} is truncated ({path.stat().st_size} of {expected} bytes); {_CURE}.')


def connect(path, *, create=False, readonly=False):
    """An engine whose one connection owns an SQLite file.

    ``locking_mode=EXCLUSIVE`` before WAL keeps every other process out and
    makes no shared-memory file (sqlite.org/wal.html, section 8).
    """
    mode = 'ro' if readonly else 'rwc' if create else 'rw'
    quoted = Path(path).absolute().as_uri()
    engine = sa.create_engine(f'sqlite:///{quoted}?mode={mode}&uri=true', poolclass=sa.pool.StaticPool)
    sa.event.listen(engine, 'connect', _read_only if readonly else _exclusive)
    return engine


def _exclusive(connection, _):
    connection.execute('PRAGMA busy_timeout=500')
    connection.execute('PRAGMA locking_mode=EXCLUSIVE')
    tables = {name for name, in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and 'todolist' not in tables:
        return  # somebody else's: it will be refused, and not a byte of it changes
    connection.execute('PRAGMA journal_mode=WAL')
    connection.execute('PRAGMA synchronous=NORMAL')
    connection.execute('PRAGMA cache_size=-65536')


def _read_only(connection, _):
    connection.execute('PRAGMA busy_timeout=500')
    connection.execute('PRAGMA query_only=ON')


def check(connection, name):
    """Refuse a file that is no todo list or has another schema (`todo_tables.check`)."""
    todo_tables.check(connection, name)


def check_structure(connection, name):
    """Refuse a file whose pages contradict each other; a tenth of a second for a million rows."""
    said = connection.exec_driver_sql('PRAGMA quick_check(1)').scalar()
    if said != 'ok':
        raise InputBadError(f'{name} is damaged ({" ".join(said.split())}); {_CURE}.')


@contextlib.contextmanager
def explained(path):
    """Turn what a database says into a sentence about its file."""
    try:
        yield
    except sa.exc.DatabaseError as error:
        raise _explanation(path, str(error.orig or error)) from error
    except UnicodeDecodeError as error:
        raise InputBadError(f'{path} cannot be used (names in it are no text); {_CURE}.') from error


def _explanation(path, text):
    lower = text.lower()
    if 'full' in lower:
        return OutputError(f'Cannot write {path}: the disk is full; free some space, the same command '
                           'continues.')
    if 'readonly' in lower or 'read-only' in lower or 'unable to open' in lower or 'disk i/o' in lower:
        return OutputError(f'Cannot write {path} ({text}); check its directory, permissions and disk.')
    if 'locked' in lower:
        return OutputError(f'{path} is locked by another program ({text}); close that one first.')
    return InputBadError(f'{path} cannot be used ({text}); {_CURE}.')


@contextlib.contextmanager
def transaction(engine, path):
    """A connection whose changes are committed together or not at all."""
    with explained(path), engine.begin() as connection:
        yield connection
