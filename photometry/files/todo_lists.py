"""The lists that people write for the queue: exclusions, methods and targets."""

from __future__ import annotations

import csv
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photometry.core.errors import InputBadError, InputMissingError
from photometry.core.task import GREATEST_STARID, LEAST_STARID

DATA = Path(__file__).parents[1] / 'data'
EXCLUSIONS = DATA / 'todo-exclusions.ecsv'
METHODS = DATA / 'todo-methods.ecsv'

_MAX_BYTES = 1 << 28
_STARID = re.compile(r'-?[0-9]{1,19}')
_STARID_NAMES = ('starid', 'tic', 'ticid', 'tic_id', 'id')


@dataclass(frozen=True)
class StarRule:
    """A line of a list: what holds for a star, in one sector or in all (0)."""

    starid: int
    sector: int
    datasource: str
    """Empty for every source."""
    word: str
    """The reason for an exclusion, or the name of a method."""

    def covers(self, sector, datasource='ffi') -> bool:
        """Whether it is about this sector and source."""
        return self.sector in (0, sector) and self.datasource in ('', datasource)


def read_exclusions(path=EXCLUSIONS) -> list[StarRule]:
    """Stars to leave out: columns starid, sector (0: all), datasource (empty: all), reason."""
    return _read_rules(path, 'reason')


def read_methods(path=METHODS) -> list[StarRule]:
    """Methods of single stars: columns starid, sector (0: all), datasource (empty: all), method."""
    return _read_rules(path, 'method')


def _read_rules(path, word):
    from astropy.table import Table
    _check_readable(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            table = Table.read(path, format='ascii.ecsv')
            return [StarRule(int(row['starid']), int(row['sector']), _text(row['datasource']),
                             _text(row[word])) for row in table]
    except (ValueError, KeyError, TypeError, OSError, Warning) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputBadError(f'{path} is not an ECSV table with the columns starid, sector, datasource and '
                            f'{word} ({text}).') from error


def _text(cell):
    """A cell as text; empty cells come masked from ECSV."""
    return '' if cell is np.ma.masked else str(cell)


def read_targets(path) -> np.ndarray:
    """TIC numbers of a text or CSV file, sorted, each once.

    One number a line, or a CSV with a header that has a column starid, TIC,
    TICID or ID. Lines that begin with ``#`` do not count.

    Raises
    ------
    InputMissingError, InputBadError
    """
    _check_readable(path)
    try:
        text = Path(path).read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise InputBadError(f'The list of targets {path} is not a text file.') from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1)
             if line.strip() and not line.lstrip().startswith('#')]
    if not lines:
        raise InputBadError(f'The list of targets {path} holds no TIC number.')
    cells = [_cells(path, number, line) for number, line in lines]
    column, first = _starid_column(cells[0])
    found = [_starid(path, number, cell, column)
             for (number, _), cell in zip(lines[first:], cells[first:], strict=True)]
    return np.unique(np.array(found, dtype='int64'))


def _cells(path, number, line):
    try:
        return next(csv.reader([line.replace(';', ',')]))
    except csv.Error as error:
        raise InputBadError(f'Line {number} of {path} cannot be read ({error}).') from error


def _starid_column(header):
    """(column with the number, number of header lines)."""
    names = [cell.strip().lower() for cell in header]
    for name in _STARID_NAMES:
        if name in names:
            return names.index(name), 1
    return 0, 0


def _starid(path, number, cells, column):
    text = cells[column].strip() if column < len(cells) else ''
    text = text.upper().removeprefix('TIC').strip()
    if not _STARID.fullmatch(text) or not int(text) or not LEAST_STARID <= int(text) <= GREATEST_STARID:
        raise InputBadError(f'Line {number} of {path} holds no TIC number: {text[:40]!r}.')
    return int(text)


def _check_readable(path):
    path = Path(path)
    if not path.is_file():
        raise InputMissingError(f'The list {path} does not exist.')
    if path.stat().st_size > _MAX_BYTES:
        raise InputBadError(f'The list {path} is larger than 256 MB.')
