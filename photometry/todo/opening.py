"""Opening a todo list only to read it, wherever it lies."""

from __future__ import annotations

import contextlib

from photometry.todo import engine as engines
from photometry.todo import places, server


@contextlib.contextmanager
def readonly(todo):
    """A connection to a file that no scheduler holds, or to the tables of a server.

    Yields
    ------
    place : photometry.todo.places.Place
    connection : sqlalchemy.Connection

    Raises
    ------
    InputMissingError, InputBadError, IncompatibleError
        When the list is missing or cannot be read.
    """
    place = places.place(todo)
    if place.is_file:
        engines.check_file(place.path)
        engine, module = engines.connect(place.path, readonly=True), engines
    else:
        engine, module = server.connect(place), server
    try:
        with module.transaction(engine, place) as connection:
            module.check(connection, place)
            yield place, connection
    finally:
        engine.dispose()
