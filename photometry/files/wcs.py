"""Celestial coordinates of pixels: WCS cards as text, footprints on the sky."""

from __future__ import annotations

import warnings

import numpy as np

from photometry.core.coordinates import unit_vectors
from photometry.core.errors import InputBadError

_EDGE_POINTS = 9


def wcs_from_text(text, name='the frame'):
    """The WCS that cards describe.

    Parameters
    ----------
    text : str
        Cards of 80 characters for one-based pixels of the whole FFI, so that
        ``all_world2pix(..., 0)`` gives zero-based columns and rows.
    name : str
        What the error calls the source.

    Returns
    -------
    astropy.wcs.WCS

    Raises
    ------
    InputBadError
        When the text is no WCS of the sky.
    """
    from astropy.io.fits import Header, VerifyError
    from astropy.utils.exceptions import AstropyWarning
    from astropy.wcs import WCS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', AstropyWarning)
            made = WCS(Header.fromstring(text), naxis=2)
            made.wcs.set()
    except (ValueError, VerifyError, KeyError, TypeError, IndexError, MemoryError) as error:
        raise InputBadError(f'The WCS of {name} cannot be read; leave its file out '
                            'or get a new one.') from error
    if not made.has_celestial:
        raise InputBadError(f'The WCS of {name} does not point at the sky; leave its file out.')
    return made


def wcs_to_text(wcs) -> str:
    """The cards of a WCS with its distortion, as `wcs_from_text` reads them."""
    from astropy.wcs import WCS
    # Called on the class: subclasses of other packages have their own ideas of a header.
    return WCS.to_header(wcs, relax=True).tostring(padding=False)


def pixel_to_sky(wcs, row, column):
    """Right ascension and declination in deg of zero-based pixels."""
    ra, dec = wcs.all_pix2world(np.asarray(column, dtype='float64'), np.asarray(row, dtype='float64'), 0)
    return ra, dec


def sky_to_pixel(wcs, ra, dec):
    """Zero-based rows and columns of directions in deg; NaN where the WCS cannot tell.

    Directions more than 90 deg from the tangent point are NaN; those outside
    the image have the place that the distortion, extrapolated, gives them.
    """
    ra, dec = (np.atleast_1d(np.asarray(axis, dtype='float64')) for axis in (ra, dec))
    column, row = np.full(ra.shape, np.nan), np.full(ra.shape, np.nan)
    # Behind the tangent plane a second, false place would come out.
    near = unit_vectors(ra, dec) @ unit_vectors(*wcs.wcs.crval) > 0.5
    if near.any():
        column[near], row[near] = wcs.all_world2pix(ra[near], dec[near], 0, quiet=True)
    return row, column


def moved(wcs, rows, columns):
    """A copy of a WCS whose stars stand so many rows and columns further on, px."""
    made = wcs.deepcopy()
    made.wcs.crpix = made.wcs.crpix + [columns, rows]
    if made.sip is not None:
        from astropy.wcs import Sip
        made.sip = Sip(made.sip.a, made.sip.b, made.sip.ap, made.sip.bp, made.wcs.crpix)
    return made


def footprint(wcs, stamp, points=_EDGE_POINTS):
    """Outline on the sky of a rectangle of pixels.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
    stamp : photometry.core.stamp.Stamp
    points : int
        Along an edge, both corners included; 2 are enough for some tens of pixels.

    Returns
    -------
    array (points, 2)
        (ra, dec) in deg of points along the outer edges of the pixels, each
        once, in order around the rectangle.
    """
    rows = np.linspace(stamp.row_min, stamp.row_max, points) - 0.5
    columns = np.linspace(stamp.col_min, stamp.col_max, points) - 0.5
    around_rows = np.r_[np.full(points - 1, rows[0]), rows[:-1],
                        np.full(points - 1, rows[-1]), rows[:0:-1]]
    around_columns = np.r_[columns[:-1], np.full(points - 1, columns[-1]),
                           columns[:0:-1], np.full(points - 1, columns[0])]
    return np.column_stack(pixel_to_sky(wcs, around_rows, around_columns))
