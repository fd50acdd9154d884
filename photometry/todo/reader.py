"""What can be asked of a todo database."""

from __future__ import annotations

import contextlib
from collections import Counter

import sqlalchemy as sa

from photometry.core.errors import InputMissingError
from photometry.core.status import STATUS
from photometry.core.task import Task
from photometry.files.todo_tables import diagnostics, todolist
from photometry.todo import opening, rows, server
from photometry.todo.selection import Selection

WAITS = todolist.c.status.is_(None)
"""Condition on a row that nobody has begun."""


class TodoReader:
    """Answers about the selected rows of a list.

    Parameters
    ----------
    place : photometry.todo.places.Place
    selection : Selection, optional
    perform : callable
        Takes a function of a connection and calls it in a transaction.
    """

    def __init__(self, place, selection, perform):
        self.place = place
        self.selection = selection or Selection()
        self._perform = perform

    def counts(self, selection=None) -> Counter:
        """Number of selected rows by status; None counts what waits."""
        statement = sa.select(todolist.c.status, sa.func.count()).where(
            *(selection or self.selection).clauses()).group_by(todolist.c.status)
        return Counter({status: number for status, number in self._all(statement)})

    def waiting(self) -> int:
        """Number of selected rows that wait."""
        return self.counts()[None]

    def tasks(self, limit=100) -> list[Task]:
        """The selected rows whatever their status, brightest first."""
        statement = rows.select_tasks().where(*self.selection.clauses()).order_by(todolist.c.priority)
        return [rows.task_from_row(row) for row in self._all(statement.limit(limit))]

    def results(self, limit=100) -> list:
        """Rows (priority, starid, status, lightcurve, reason, errors) of the selected stars."""
        statement = sa.select(
            todolist.c.priority, todolist.c.starid, todolist.c.status, diagnostics.c.lightcurve,
            diagnostics.c.reason, diagnostics.c.errors).select_from(_WITH_DIAGNOSTICS)
        return self._all(statement.where(*self.selection.clauses()).order_by(
            todolist.c.priority).limit(limit))

    def failures(self) -> list:
        """Reasons of ERROR, the commonest first: (reason, number of selected rows, a sentence of one)."""
        number = sa.func.count()
        statement = sa.select(diagnostics.c.reason, number, sa.func.min(diagnostics.c.errors)).select_from(
            _WITH_DIAGNOSTICS).where(todolist.c.status == int(STATUS.ERROR), *self.selection.clauses())
        return self._all(statement.group_by(diagnostics.c.reason).order_by(number.desc()))

    def draw(self, seed) -> int:
        """Priority of a row drawn from the selected ones that wait.

        Raises
        ------
        InputMissingError
            When none waits.
        """
        import numpy as np
        number = self.waiting()
        if not number:
            raise InputMissingError(f'No star waits in {self.place} ({self.selection.describe()}).')
        nth = int(np.random.default_rng(seed).integers(number))
        statement = sa.select(todolist.c.priority).where(WAITS, *self.selection.clauses())
        return self._all(statement.order_by(todolist.c.priority).limit(1).offset(nth))[0].priority

    def holders(self) -> list:
        """Who works on a list of a server: (worker, number of stars, seconds that the lease still runs)."""
        left = sa.func.min(todolist.c.lease) - server.NOW
        statement = sa.select(todolist.c.worker, sa.func.count(), left).where(
            todolist.c.status == int(STATUS.STARTED)).group_by(todolist.c.worker)
        return self._all(statement.order_by(todolist.c.worker))

    def _all(self, statement):
        return self._perform(lambda connection: connection.execute(statement).all())


_WITH_DIAGNOSTICS = todolist.outerjoin(diagnostics, diagnostics.c.priority == todolist.c.priority)


@contextlib.contextmanager
def opened(todo, selection=None):
    """A list that is only read: a file that no scheduler holds, or the tables of a server.

    Yields
    ------
    TodoReader

    Raises
    ------
    InputMissingError, InputBadError, IncompatibleError
        As when a `TaskManager` opens it.
    """
    with opening.readonly(todo) as (place, connection):
        yield TodoReader(place, selection, lambda work: work(connection))
