"""Where every CCD pointed in every sector, from the tables of the package tesswcs."""

from __future__ import annotations

import csv
import logging
import warnings
from pathlib import Path

import numpy as np

from photometry.core.coordinates import from_vectors, local_axes, unit_vectors
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
    return predicted_wcs(sector, camera, ccd)


def predicted_wcs(sector, camera, ccd):
    """The same for any sector that tesswcs has an idea of, to be put right on the stars of an image.

    Up to `LAST_SECTOR` it is good to about 0.1 px. Of later sectors tesswcs has the
    direction, but distortions around the wrong pixel (tesswcs issue 30: 2 px);
    they get those of a sector before. Sectors that were not observed when tesswcs
    was made are planned ones and may lie elsewhere.

    Returns
    -------
    astropy.wcs.WCS

    Raises
    ------
    InputMissingError
        For sectors that tesswcs does not know.
    """
    _check(1, camera, ccd)
    made = _stored(sector, camera, ccd)
    return made if sector <= LAST_SECTOR else turned(_stored(LAST_SECTOR - 1, camera, ccd), made)


def turned(wcs, other):
    """A WCS turned on the sky, distortions and all, to where the linear part of another one points.

    Parameters
    ----------
    wcs, other : astropy.wcs.WCS

    Returns
    -------
    astropy.wcs.WCS
        Agrees with ``other`` at its reference pixel, in place and in the direction of rows.
    """
    pixels = np.asarray(other.wcs.crpix) + [[0, 0], [0, 100]]
    old, new = (_triad(unit_vectors(*directions.T)) for directions in (
        wcs.all_pix2world(pixels, 1), other.wcs_pix2world(pixels, 1)))
    rotation = new.T @ old
    crval = from_vectors(rotation @ unit_vectors(*wcs.wcs.crval))
    east, north = local_axes(*crval)
    up = rotation @ local_axes(*wcs.wcs.crval)[1]
    turn = np.array([[up @ north, up @ east], [-(up @ east), up @ north]])
    made = wcs.deepcopy()
    made.wcs.crval = crval
    scale = np.diag(wcs.wcs.cdelt)
    made.wcs.pc = np.linalg.inv(scale) @ turn @ scale @ wcs.wcs.get_pc()
    made.wcs.set()
    return made


def _triad(directions):
    """Three orthogonal unit vectors from two directions, as rows."""
    first = directions[0]
    third = np.cross(first, directions[1])
    third = third / np.linalg.norm(third)
    return np.stack([first, np.cross(third, first), third])


def _stored(sector, camera, ccd):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        import tesswcs
        tesswcs.log.setLevel(logging.ERROR)  # it would say that a sector is not archived yet
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
