"""The list of targets that people write: TIC numbers, or positions on the sky."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photometry.core import starids
from photometry.core.errors import InputBadError, InputMissingError

_MAX_BYTES = 1 << 28
_STARID = re.compile(r'-?[0-9]{1,19}')
_STARID_NAMES = ('starid', 'tic', 'ticid', 'tic_id', 'id')
_POSITION_NAMES = (('ra', 'dec'), ('ra_j2000', 'dec_j2000'), ('raj2000', 'dej2000'), ('ra', 'decl'),
                   ('ra_j2000', 'decl_j2000'))


@dataclass(frozen=True)
class Targets:
    """Stars that a person names; arrays of one length.

    ``starid`` int64, 0 where a position is given instead; ``ra``, ``dec`` deg (J2000), NaN where a
    number is given.
    """

    path: Path
    starid: np.ndarray
    ra: np.ndarray
    dec: np.ndarray

    def words(self, index) -> str:
        """One of them, for messages."""
        if self.starid[index]:
            return f'TIC {self.starid[index]}'
        return f'RA {self.ra[index]:.5f}, Dec {self.dec[index]:+.5f}'


def read_targets(path) -> Targets:
    """Targets of a text or CSV file, each once.

    One TIC number a line; or a CSV with a header that has a column starid, TIC, TICID or ID, or the
    columns ra and dec (deg, J2000), or all of them: then rows without a number are positions. Lines
    that begin with ``#`` do not count.

    Raises
    ------
    InputMissingError, InputBadError
    """
    path = Path(path)
    lines = _lines(path)
    header = [cell.strip().lower() for cell in _cells(path, *lines[0])]
    columns = _columns(header)
    if columns:
        lines = lines[1:]
    found = {_target(path, number, _cells(path, number, line), columns or (0, None, None)): None
             for number, line in lines}
    if not found:
        raise InputBadError(f'The list of targets {path} holds no TIC number and no position.')
    starid, ra, dec = (np.array(axis, dtype=kind) for axis, kind in zip(
        zip(*sorted(found), strict=True), ('i8', 'f8', 'f8'), strict=True))
    positions = starid == 0
    return Targets(path, starid, np.where(positions, ra, np.nan), np.where(positions, dec, np.nan))


def _lines(path):
    """Lines that count, with their numbers."""
    if not path.is_file():
        raise InputMissingError(f'The list of targets {path} does not exist.')
    if path.stat().st_size > _MAX_BYTES:
        raise InputBadError(f'The list of targets {path} is larger than 256 MB.')
    try:
        text = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise InputBadError(f'The list of targets {path} is not a text file.') from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1)
             if line.strip() and not line.lstrip().startswith('#')]
    if not lines:
        raise InputBadError(f'The list of targets {path} holds no TIC number and no position.')
    return lines


def _cells(path, number, line):
    try:
        return next(csv.reader([line.replace(';', ',')]))
    except csv.Error as error:
        raise InputBadError(f'Line {number} of {path} cannot be read ({error}).') from error


def _columns(header):
    """Columns of number, right ascension and declination by the names of a header; None without one."""
    number = next((header.index(name) for name in _STARID_NAMES if name in header), None)
    place = next((tuple(map(header.index, names)) for names in _POSITION_NAMES if set(names) <= set(header)),
                 (None, None))
    return None if number is None and place[0] is None else (number, *place)


def _target(path, number, cells, columns):
    """(number, 0, 0), or (0, right ascension, declination) of a line."""
    starid, ra, dec = ('' if column is None or column >= len(cells) else cells[column].strip()
                       for column in columns)
    starid = starid.upper().removeprefix('TIC').strip()
    if columns[1] is not None and not starid:
        return 0, *_position(path, number, ra, dec)
    if not _STARID.fullmatch(starid) or not starids.is_possible(int(starid)):
        raise InputBadError(f'Line {number} of {path} holds no TIC number: {starid[:40]!r}.')
    return int(starid), 0.0, 0.0


def _position(path, number, ra, dec):
    try:
        place = float(ra), float(dec)
    except ValueError:
        place = math.nan, math.nan
    if not (-360 <= place[0] <= 360 and -90 <= place[1] <= 90):
        raise InputBadError(f'Line {number} of {path} holds no position in degrees: {ra[:20]!r}, '
                            f'{dec[:20]!r}.')
    return place[0] % 360, place[1]
