"""Where a todo list lies: in a file, or in a database of a PostgreSQL server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from photometry.core.errors import InputMissingError, UsageError

_CURE = 'name a file, sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE'
_SHOWN = ('host', 'port', 'options')
"""Parts of a URL's query that may be shown; a password can stand in others."""


class ListMissingError(InputMissingError):
    """There is no todo list at the place that was named."""


@dataclass(frozen=True)
class Place:
    """A file or a URL, one of them None; as text it never holds a password."""

    path: Path | None = None
    url: sa.URL | None = None

    @property
    def is_file(self) -> bool:
        """Whether it is an SQLite file, which has one owner."""
        return self.path is not None

    def __str__(self):
        if self.is_file:
            return str(self.path)
        query = {name: value for name, value in self.url.query.items() if name in _SHOWN}
        shown = sa.URL.create('postgresql', self.url.username, None, self.url.host, self.url.port,
                              self.url.database, query)
        return shown.render_as_string()

    def beside(self, suffix) -> Path:
        """A file that goes with the todo file: its name with a suffix."""
        return self.path.with_name(self.path.name + suffix)


def place(todo) -> Place:
    """The place that a path or a URL names.

    Parameters
    ----------
    todo : path-like, str or Place

    Raises
    ------
    UsageError
        For a URL that cannot be read or is of a kind that is not supported; it
        does not repeat the URL, in which a password may stand.
    """
    if isinstance(todo, Place):
        return todo
    text = str(todo)
    if '://' not in text:
        return Place(path=Path(text))
    kind = text.partition('://')[0][:40]
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise UsageError(f'The {kind!r} URL of the todo list cannot be read; {_CURE}.') from error
    if url.drivername in ('postgresql', 'postgresql+psycopg') and '\0' not in text:
        return Place(url=url.set(drivername='postgresql+psycopg'))
    if url.get_backend_name() == 'sqlite' and url.database:
        return Place(path=Path(url.database))
    raise UsageError(f'Databases of the kind {kind!r} are not supported; {_CURE}.')


def named(argument, environment, input_folder) -> Place:
    """The list that a command line is about: ``--todo``, else TESSPHOT_TODO, else INPUT/todo.sqlite."""
    return place(argument or environment.get('TESSPHOT_TODO') or Path(input_folder) / 'todo.sqlite')
