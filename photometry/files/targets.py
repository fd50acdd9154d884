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
from photometry.files import star_table, table_formats

_MAX_BYTES = 1 << 28
_STARID = re.compile(r'-?[0-9]{1,19}')
_POSITION_NAMES = (('ra', 'dec'), ('ra_j2000', 'dec_j2000'), ('raj2000', 'dej2000'), ('ra', 'decl'),
                   ('ra_j2000', 'decl_j2000'))


@dataclass(frozen=True)
class Targets:
    """Stars that a person names; arrays of one length.

    ``starid`` int64, 0 where a position alone is given; ``ra``, ``dec`` deg (J2000), NaN where only a
    number is given.
    """

    path: Path
    starid: np.ndarray
    ra: np.ndarray
    dec: np.ndarray

    @property
    def places(self) -> tuple:
        """Pairs of right ascension and declination, of all whose place is told."""
        told = np.isfinite(self.ra)
        return tuple(zip(self.ra[told].tolist(), self.dec[told].tolist(), strict=True))

    @property
    def numbers_without_place(self) -> tuple:
        """Numbers of those whose place is not told."""
        return tuple(self.starid[np.isnan(self.ra)].tolist())

    def words(self, index) -> str:
        """One of them, for messages."""
        if self.starid[index]:
            return starids.name(int(self.starid[index]))
        return f'RA {self.ra[index]:.5f}, Dec {self.dec[index]:+.5f}'


def read_targets(path) -> Targets:
    """Targets of a text or a table, each once.

    One TIC number a line; or a CSV with a header that has a column starid, TIC, TICID or ID, or the
    columns ra and dec (deg, J2000), or all of them: then rows without a number are positions. Lines
    that begin with ``#`` do not count. ECSV, FITS and Parquet with such columns are taken, too.

    Raises
    ------
    InputMissingError, InputBadError
    """
    path = Path(path)
    if path.is_file() and table_formats.declares_itself(path):
        return _of_table(path)
    lines = _lines(path)
    header = [cell.strip().lower() for cell in _cells(path, *lines[0])]
    columns = _columns(header)
    if columns:
        lines = lines[1:]
    return _once(path, [_target(path, number, _cells(path, number, line), columns or (0, None, None))
                        for number, line in lines])


def _once(path, found):
    """Each of some (number, right ascension, declination) once, a place being infinite where none is told."""
    if not found:
        raise InputBadError(f'The list of targets {path} holds no TIC number and no position.')
    first = {target[0] or target: target for target in sorted(found, reverse=True)}  # the finite place wins
    starid, ra, dec = (np.array(axis, dtype=kind) for axis, kind in zip(
        zip(*sorted(first.values()), strict=True), ('i8', 'f8', 'f8'), strict=True))
    return Targets(path, starid, *(np.where(np.isfinite(axis), axis, np.nan) for axis in (ra, dec)))


def _of_table(path):
    """Targets of a table that says what its columns are."""
    places = star_table.POSITION_NAMES
    wanted = places.union(star_table.NAMES['starid'])
    raw = table_formats.read_columns(path, lambda name: name.lower() in wanted)
    starid = star_table.tic_numbers(path, raw)
    told = any(name.lower() in places for name in raw.columns)
    ra, dec = star_table.positions(path, raw) if told else np.full((2, len(starid)), math.inf)
    placed = np.isfinite(ra) & np.isfinite(dec)
    if not (placed | (starid != 0)).all():
        row = int(np.argmin(placed | (starid != 0))) + 1
        raise InputBadError(f'Row {row} of {path} holds neither a TIC number nor a position.')
    ra, dec = (np.where(placed, axis, math.inf) for axis in (ra, dec))
    return _once(path, list(zip(starid.tolist(), ra.tolist(), dec.tolist(), strict=True)))


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
    number = next((header.index(name) for name in star_table.NAMES['starid'] if name in header), None)
    place = next((tuple(map(header.index, names)) for names in _POSITION_NAMES if set(names) <= set(header)),
                 (None, None))
    return None if number is None and place[0] is None else (number, *place)


def _target(path, number, cells, columns):
    """(number, right ascension, declination) of a line; 0 without a number, infinity without a place."""
    starid, ra, dec = ('' if column is None or column >= len(cells) else cells[column].strip()
                       for column in columns)
    starid = starid.upper().removeprefix('TIC').strip()
    if columns[1] is not None and not starid:
        return 0, *_position(path, number, ra, dec)
    if not _STARID.fullmatch(starid) or not starids.is_possible(int(starid)):
        raise InputBadError(f'Line {number} of {path} holds no TIC number: {starid[:40]!r}.')
    return int(starid), *(_position(path, number, ra, dec) if ra and dec else (math.inf, math.inf))


def _position(path, number, ra, dec):
    try:
        place = float(ra), float(dec)
    except ValueError:
        place = math.nan, math.nan
    if not (-360 <= place[0] <= 360 and -90 <= place[1] <= 90):
        raise InputBadError(f'Line {number} of {path} holds no position in degrees: {ra[:20]!r}, '
                            f'{dec[:20]!r}.')
    return place[0] % 360, place[1]
