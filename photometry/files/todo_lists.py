"""The lists that people write for the queue: exclusions and methods."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photometry.core.errors import InputBadError, InputMissingError

DATA = Path(__file__).parents[1] / 'data'
EXCLUSIONS = DATA / 'todo-exclusions.ecsv'
METHODS = DATA / 'todo-methods.ecsv'

_MAX_BYTES = 1 << 28


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


def _check_readable(path):
    path = Path(path)
    if not path.is_file():
        raise InputMissingError(f'The list {path} does not exist.')
    if path.stat().st_size > _MAX_BYTES:
        raise InputBadError(f'The list {path} is larger than 256 MB.')
