"""One todo list of several: rows of different CCDs, or of one list that was worked on in copies."""

from __future__ import annotations

import contextlib
import itertools
import json
import operator
from collections import Counter
from typing import NamedTuple

import sqlalchemy as sa

from photometry.core.errors import OutputError
from photometry.core.status import STATUS
from photometry.files.todo_tables import diagnostics, photometry_skipped, settings, todolist
from photometry.todo import filling, places, records, results

_DONE = int(STATUS.OK), int(STATUS.WARNING)
_PENDING = int(STATUS.STARTED), int(STATUS.ABORT)
_PARTS = {'yield_per': 20_000}
_KEY = tuple(todolist.c[name] for name in filling.KEY)


class _Row(NamedTuple):
    """Where the row of a star is taken from; the least one wins."""

    rank: int
    """0 with a light curve, 1 with an error, 2 with neither."""
    source: int
    priority: int
    tmag: float | None


def merge(target, sources) -> Counter:
    """Make a todo list of all rows of others.

    Where a star stands in several, the row with a light curve counts, then
    one with an error; among equals that of the list named first. What was
    running when a list was left waits again. Priorities are numbered anew.

    Parameters
    ----------
    target : path-like or str
        File or URL; without any rows yet.
    sources : sequence of path-like or str
        They are only read.

    Returns
    -------
    collections.Counter
        listed, finished, failed, waiting, ``twice`` (stars with a light curve in more than one list).

    Raises
    ------
    OutputError
        When the target holds rows already, or is one of the sources.
    IncompatibleError
        When the light curves were made with different settings.
    HeldError
        While a scheduler works on one of the lists.
    """
    target, *sources = map(places.place, (target, *sources))  # as text they hold no password
    if target in sources:
        raise OutputError(f'{target} is among those to be merged; name another list to merge into.')
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(results.opened(source)) for source in sources]
        _refuse_other_settings(opened, sources)
        chosen, counts = _choose(opened)
        numbers = _number(chosen)
        with filling.opened(target) as connection:
            _refuse_rows(connection, target)
            renumbered = [_Numbers(source, chosen, numbers) for source in range(len(opened))]
            for copy in (_copy_rows, _copy_diagnostics, _copy_skipped):
                for found, new in zip(opened, renumbered, strict=True):
                    copy(connection, found, new)
            _copy_records(connection, opened)
    return counts


def _refuse_rows(connection, target):
    if connection.execute(sa.select(todolist.c.priority).limit(1)).first():
        raise OutputError(f'{target} holds rows already; name another list to merge into.')


def _refuse_other_settings(opened, sources):
    """Refuse to mix light curves of different settings; lists made elsewhere do not tell theirs."""
    told = [pair for pair in zip(opened, sources, strict=True)
            if settings.c.sections in results.columns_there(pair[0], settings)]
    first = None
    for connection, source in told:
        last = records.last_sections(connection, 'run_tessphot')
        if first is None and last is not None:
            first = json.loads(last), source
        elif last is not None:
            records.refuse_other_settings(connection, source, 'run_tessphot', first[0],
                                          cure=f'they cannot stand beside those of {first[1]}')


def _choose(opened):
    """Key of a star -> the `_Row` that counts."""
    chosen, counts = {}, Counter()
    for source, connection in enumerate(opened):
        statement = sa.select(todolist.c.priority, todolist.c.tmag, todolist.c.status, *_KEY)
        for priority, tmag, status, *key in connection.execute(statement, execution_options=_PARTS):
            rank = 0 if status in _DONE else 1 if status == STATUS.ERROR else 2
            row = _Row(rank, source, priority, tmag)
            before = chosen.get(tuple(key))
            if before is None or row < before:
                chosen[tuple(key)] = row
            counts['twice'] += before is not None and before.rank == rank == 0
    ranks = Counter(row.rank for row in chosen.values())
    return chosen, counts + Counter(listed=len(chosen), finished=ranks[0], failed=ranks[1], waiting=ranks[2])


def _number(chosen):
    """Key of a star -> its new priority."""
    ordered = sorted(chosen.items(), key=lambda item: filling.order(item[0], item[1].tmag))
    return {key: priority for priority, (key, _) in enumerate(ordered, 1)}


class _Numbers:
    """New priorities of the rows of one source."""

    def __init__(self, source, chosen, numbers):
        self._source, self._chosen, self._numbers = source, chosen, numbers
        self._key_of = {}

    def learn(self, row):
        """New priority of a row of ``todolist`` that counts, else None."""
        key = operator.itemgetter(*filling.KEY)(row)
        self._key_of[row['priority']] = key
        return self.winner(row['priority'])

    def winner(self, priority):
        """New priority of a row, by its old one; None where another list's row counts."""
        key = self._key_of.get(priority)
        if key is None or self._chosen[key][1:3] != (self._source, priority):
            return None
        return self._numbers[key]

    def any(self, priority):
        """New priority of a star, whichever list its row comes from."""
        return self._numbers.get(self._key_of.get(priority))


def _copy_rows(connection, source, numbers):
    for part in _parts(source, todolist):
        new = [(numbers.learn(row), row) for row in part]
        _insert(connection, todolist, [_waiting(row) | {'priority': number} for number, row in new if number])


def _copy_diagnostics(connection, source, numbers):
    for part in _parts(source, diagnostics):
        new = [(numbers.winner(row['priority']), row) for row in part]
        _insert(connection, diagnostics, [row | {'priority': number} for number, row in new if number])


def _copy_skipped(connection, source, numbers):
    for part in _parts(source, photometry_skipped):
        new = [(numbers.winner(row['priority']), numbers.any(row['skipped_by'])) for row in part]
        _insert(connection, photometry_skipped,
                [{'priority': one, 'skipped_by': other} for one, other in new if one and other])


def _parts(connection, table):
    """Rows as dicts with all columns of the present schema."""
    there = results.columns_there(connection, table)
    if not there:
        return
    empty = dict.fromkeys(table.c.keys())
    empty |= {name: 0 for name in ('attempts', 'expired') if name in empty}
    found = connection.execute(sa.select(*there), execution_options=_PARTS).mappings()
    for part in found.partitions():
        yield [empty | dict(row) for row in part]


def _waiting(row):
    """A row that nobody works on."""
    status = None if row['status'] in _PENDING else row['status']
    return row | {'status': status, 'worker': None, 'lease': None, 'begun': None}


def _insert(connection, table, rows):
    if rows:
        connection.execute(sa.insert(table), rows)


def _copy_records(connection, opened):
    """Who wrote to the lists; a run that stands in several once."""
    rows = itertools.chain.from_iterable(itertools.chain.from_iterable(
        _parts(source, settings) for source in opened))
    _insert(connection, settings, list({row['run']: row for row in rows}.values()))
