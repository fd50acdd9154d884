"""Where every CCD pointed in every sector, from the tables of the package tesswcs."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

from photometry.core.errors import InputMissingError

LAST_SECTOR = 91
"""The archive moved the reference pixel of its WCS during this sector; later tables are off by pixels."""


POINTINGS = Path(__file__).parents[1] / 'data' / 'pointings.csv'
"""Package file with the optical axes of the cameras and the dates of the sectors."""


def sector_wcs(sector, camera, ccd):
    """The mean WCS of a CCD in a sector.

    Zero-based pixels of it are rows and columns of the whole FFI, so that
    ``all_world2pix(..., 0)`` gives columns that count the 44 leading ones.

    Returns
    -------
    astropy.wcs.WCS

    Raises
    ------
    InputMissingError
        For sectors without a trustworthy table.
    """
    _check(sector, camera, ccd)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        import tesswcs
        try:
            return tesswcs.WCS.from_sector(sector, camera, ccd)
        except (ValueError, KeyError, IndexError) as error:
            raise InputMissingError(_sentence(sector)) from error


def sector_times(sector):
    """First and last Julian date of a sector, to about a day.

    Raises
    ------
    InputMissingError
        For sectors without a trustworthy table.
    """
    row = _pointing(sector, 1)
    return row['start'], row['end']


def camera_centre(sector, camera):
    """Direction of the optical axis of a camera: right ascension and declination in deg.

    Raises
    ------
    InputMissingError
        For sectors without a trustworthy table.
    """
    row = _pointing(sector, camera)
    return row['ra'], row['dec']


def _pointing(sector, camera):
    _check(sector, camera, 1)
    if not POINTINGS.is_file():
        raise InputMissingError(f'The table {POINTINGS} is missing; install tessphot again.')
    with open(POINTINGS, newline='') as file:
        lines = (line for line in file if not line.startswith('#'))
        for row in csv.DictReader(lines):
            if (int(row['sector']), int(row['camera'])) == (sector, camera):
                return {name: float(value) for name, value in row.items()}
    raise InputMissingError(_sentence(sector))


def _check(sector, camera, ccd):
    if not 1 <= sector <= LAST_SECTOR:
        raise InputMissingError(_sentence(sector))
    if camera not in range(1, 5) or ccd not in range(1, 5):
        raise InputMissingError(f'There is no camera {camera} with a CCD {ccd}; both go from 1 to 4.')


def _sentence(sector):
    return (f'The pointing of sector {sector} is known from its images only (tables reach sector '
            f'{LAST_SECTOR}); put an FFI or TESSCut file of each CCD into INPUT.')
