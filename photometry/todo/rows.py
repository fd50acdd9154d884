"""From rows to tasks and from results to rows, trusting neither."""

from __future__ import annotations

import json
import math
import numbers
import re
from pathlib import PurePosixPath

import sqlalchemy as sa

from photometry.core import starids
from photometry.core.errors import InputBadError
from photometry.core.task import Result, Task
from photometry.files.todo_tables import diagnostics, photometry_skipped, todolist

_BRIGHTER = todolist.alias('brighter')
_LIMITS = {'starid': (starids.LEAST, starids.MOST_TIC), 'sector': (1, 9999), 'camera': (1, 4), 'ccd': (1, 4),
           'cadence': (1, 10 ** 5), 'priority': (-2 ** 63, 2 ** 63 - 1), 'attempts': (0, 2 ** 31)}
_DATASOURCE = re.compile(r'ffi|tpf(:\d{1,11})?')
_METHOD = re.compile(r'[A-Za-z_]\w{0,40}', re.ASCII)
_PIXEL_FILES = '.hdf5', '.fits', '.fits.gz'
_MEASURED = {column.name for column in diagnostics.columns} - {'priority', 'extra', 'errors', 'skip_targets'}


def select_tasks() -> sa.Select:
    """Columns that make a task, with the brighter star that delivers it."""
    joined = (todolist.outerjoin(photometry_skipped, photometry_skipped.c.priority == todolist.c.priority)
              .outerjoin(_BRIGHTER, _BRIGHTER.c.priority == photometry_skipped.c.skipped_by))
    return sa.select(todolist, _BRIGHTER.c.starid.label('skipped_by')).select_from(joined)


def task_from_row(row) -> Task:
    """A task, after checking every value that could lead anywhere.

    Raises
    ------
    InputBadError
        When a value has a wrong type or range, or the cube lies outside INPUT.
    """
    wrong = wrong_number(row)
    if wrong:
        raise InputBadError(f'The row has {wrong} {str(getattr(row, wrong))[:40]!r}, which no star can have.')
    _check_text('datasource', row.datasource, _DATASOURCE)
    if row.method is not None:
        _check_text('method', row.method, _METHOD)
    if row.cube is not None:
        _check_cube(row.cube)
    tile = row.tile if type(row.tile) is int else None
    tmag = float(row.tmag) if isinstance(row.tmag, int | float) else None
    return Task(row.starid, row.sector, row.camera, row.ccd, row.cadence, row.datasource, row.priority,
                tmag, row.method or None, row.cube, tile, row.attempts, row.skipped_by)


def wrong_number(row) -> str | None:
    """The first column of a row whose number no star can have; columns that it lacks are not looked at."""
    for name, (least, most) in _LIMITS.items():
        value = getattr(row, name, least)
        if type(value) is not int or not least <= value <= most:
            return name
    return None


def _check_text(name, value, pattern):
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise InputBadError(f'The row has {name} {str(value)[:40]!r}, which is not one.')


def _check_cube(value):
    path = PurePosixPath(value) if isinstance(value, str) else None
    if (path is None or path.is_absolute() or '..' in path.parts or '\0' in value
            or not value.endswith(_PIXEL_FILES)):
        raise InputBadError(f'The row has the cube {str(value)[:60]!r}, which does not lie below INPUT.')


def diagnostics_row(result: Result) -> dict:
    """Values for the table ``diagnostics``; what it has no column for goes to ``extra``."""
    row = dict.fromkeys(column.name for column in diagnostics.columns)
    extra = {}
    for name, value in result.details.items():
        (row if name in _MEASURED else extra)[name] = _plain(value)
    row.update(
        priority=result.task.priority, lightcurve=result.lightcurve,
        method_used=result.method_used or result.task.method or '', elaptime=float(result.elaptime),
        worker_wait_time=float(result.worker_wait_time), reason=result.reason and str(result.reason),
        errors=_text('\n'.join(result.errors)) or None, extra=json.dumps(extra) if extra else None,
        skip_targets=json.dumps([int(star) for star in result.skip_targets]) if result.skip_targets else None)
    return row


def _plain(value):
    """A number or text that SQL and JSON know; None for what is not finite."""
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    return value if value is None else _text(value)


def _text(value):
    """Text that every database takes: without NUL, and valid as UTF-8."""
    return str(value).replace('\0', ' ').encode('utf-8', 'replace').decode()
