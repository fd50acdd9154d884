"""Where every CCD pointed in every sector, from the tables of the package tesswcs."""

from __future__ import annotations

import warnings

from photometry.core.errors import InputMissingError

LAST_SECTOR = 91
"""The archive moved the reference pixel of its WCS during this sector; later tables are off by pixels."""


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
    _check(sector, 1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        import tesswcs
        row = tesswcs.pointings[tesswcs.pointings['Sector'] == sector]
    if len(row) != 1:
        raise InputMissingError(_sentence(sector))
    return float(row['Start'][0]), float(row['End'][0])


def _check(sector, camera, ccd):
    if not 1 <= sector <= LAST_SECTOR:
        raise InputMissingError(_sentence(sector))
    if camera not in range(1, 5) or ccd not in range(1, 5):
        raise InputMissingError(f'There is no camera {camera} with a CCD {ccd}; both go from 1 to 4.')


def _sentence(sector):
    return (f'The pointing of sector {sector} is known from its images only (tables reach sector '
            f'{LAST_SECTOR}); put an FFI or TESSCut file of each CCD into INPUT.')
