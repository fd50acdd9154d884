"""Where asteroids and comets stand, day by day: a table of ephemerides from anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photometry.core.errors import InputBadError
from photometry.core.track import MOST_STEP, Track
from photometry.files import star_table, table_formats

NAMES = ('name', 'targetname', 'designation', 'object', 'number')
"""Names, in lower case, of the column that tells one object from another; without one there is one object."""

TIMES = {'jd': 2457000.0, 'datetime_jd': 2457000.0, 'jd_tdb': 2457000.0, 'mjd': 56999.5, 'btjd': 0.0}
"""Names of the column with the time, and what stands in it at BTJD 0."""

MOST_ROWS = 20_000_000


@dataclass(frozen=True)
class MovingObjects:
    """Objects that move over the sky, from one file.

    Attributes
    ----------
    path : pathlib.Path
    tracks : tuple of photometry.core.track.Track
    """

    path: Path
    tracks: tuple


def read_moving_objects(path) -> MovingObjects:
    """Read a table with the columns name, jd (or mjd, btjd), ra and dec (deg): a row a time and an object.

    CSV, ECSV, FITS or Parquet; rows may stand in any order. Places are to be those seen from TESS: from the
    Earth, a main-belt asteroid is seen up to a minute of arc beside.

    Raises
    ------
    InputMissingError
        When the file does not exist.
    InputBadError
        When it lacks a column, holds no places, or its times lie farther apart than places can be
        interpolated over.
    """
    path = Path(path)
    wanted = star_table.POSITION_NAMES.union(NAMES, TIMES)
    raw = table_formats.read_columns(path, lambda name: name.lower() in wanted)
    lower = {name.lower(): values for name, values in raw.columns.items()}
    time = _times(path, lower)
    ra, dec = star_table.positions(path, raw)
    if time.size > MOST_ROWS:
        raise InputBadError(f'{path} has more than {MOST_ROWS:,} rows; leave out objects that are too faint.')
    if not (time.size and np.isfinite([time, ra, dec]).all()):
        raise InputBadError(f'{path} must hold a time and a place on the sky in every row.')
    word = next((name for name in NAMES if name in lower), None)
    name = np.full(time.size, '') if word is None else np.ma.filled(lower[word].astype('U'), '')
    order = np.lexsort((time, name))
    bounds = np.flatnonzero(name[order][1:] != name[order][:-1]) + 1
    return MovingObjects(path, tuple(_track(path, str(name[rows[0]]), time[rows], ra[rows], dec[rows])
                                     for rows in np.split(order, bounds)))


def _times(path, columns):
    """BTJD of the rows."""
    word = next((name for name in TIMES if name in columns), None)
    if word is None:
        raise InputBadError(f'{path} has no column with times; call it jd, mjd or btjd.')
    try:
        return np.ma.filled(columns[word].astype('f8'), np.nan) - TIMES[word]
    except (TypeError, ValueError) as error:
        raise InputBadError(f'{path}: the column {word} does not hold numbers.') from error


def _track(path, name, time, ra, dec):
    step = np.diff(time)
    if (step <= 0).any():
        raise InputBadError(f'{path}: {name or "the object"} has two places at one time.')
    if time.size < 2 or step.min() > MOST_STEP:
        raise InputBadError(f'{path}: places of {name or "the object"} must be at most {MOST_STEP:g} d apart '
                            'to be interpolated.')
    return Track(name, time, ra, dec)
