"""Whether a catalogue covers the part of the sky that images show."""

from __future__ import annotations

import re

import numpy as np

from photometry.algorithms.sky import Region
from photometry.core.errors import InputBadError
from photometry.files import wcs as wcs_file

FAR = 2.0
"""Distance, deg, of the nearest star beyond which a catalogue without outline is of elsewhere."""

_RIM = 0.5
_PLACE = re.compile(r'\(\s*([-+\d.eE]+)\s*,\s*([-+\d.eE]+)\s*\)')


def require_same_sky(path, catalog, wcs, limits, name):
    """Refuse a catalogue of another part of the sky.

    The outline that the catalogue states decides, else its stars. One without
    either is not judged.

    Parameters
    ----------
    path : path-like
        Of the catalogue.
    catalog : photometry.files.catalog.Catalog
    wcs : astropy.wcs.WCS
        Zero-based, of the whole FFI.
    limits : Stamp
        Pixels of the images.
    name : str
        What the message calls the source of the WCS.

    Raises
    ------
    InputBadError
        When the outline, with a rim of half a degree, holds no edge and not the
        middle of the pixels, or no star lies within `FAR` of them.
    """
    shown = wcs_file.footprint(wcs, limits)
    middle = wcs_file.pixel_to_sky(wcs, *(np.mean(axis) - 0.5 for axis in (limits[:2], limits[2:])))
    outlines = polygons(catalog.info.footprint)
    if outlines:
        rim = max(_RIM, catalog.info.coord_buffer)
        same = Region(outlines, rim).contains(*np.vstack([shown, middle]).T).any()
    else:
        same = _near(catalog.stars, Region((shown,), FAR))
    if not same:
        raise InputBadError(
            f'{path} is of another part of the sky than {name} shows (RA {middle[0] % 360:.2f}, Dec '
            f'{middle[1]:.2f} deg); make it again with run_make_catalog.py --overwrite, or check that WCS.')


def polygons(text) -> tuple:
    """Outlines (points, 2) of (ra, dec) in deg from the text that a catalogue keeps; () when unreadable."""
    try:
        found = [np.array(_PLACE.findall(part), dtype='f8') for part in text.split(';')]
    except ValueError:
        return ()
    found = [points for points in found if len(points) > 2 and (abs(points) <= (360, 90)).all()]
    return tuple(found)


def _near(stars, region):
    known = np.isfinite(stars['ra']) & np.isfinite(stars['decl'])
    return not known.any() or region.contains(stars['ra'][known], stars['decl'][known]).any()
