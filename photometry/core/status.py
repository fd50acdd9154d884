"""The status of a task, as the integers that stand in the todo database."""

import enum


class STATUS(enum.IntEnum):
    """Outcome of the photometry of one star.

    The integers are frozen: they stand in databases that others read. A task
    that waits has no status at all (NULL in the database).
    """

    UNKNOWN = 0
    """Nothing has been computed yet."""
    OK = 1
    """A light curve stands and nothing is remarkable about it."""
    ERROR = 2
    """No light curve: something failed, the reason stands beside it."""
    WARNING = 3
    """A light curve stands, but a reader should look at the remarks."""
    ABORT = 4
    """The calculation was stopped from outside."""
    SKIPPED = 5
    """Not measured on its own, because a brighter star delivers the same pixels."""
    STARTED = 6
    """Handed to a worker and not finished."""
