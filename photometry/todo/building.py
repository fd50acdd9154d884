"""From catalogue stars and cubes to the rows of the todo list, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.algorithms import skipping
from photometry.core import coordinates, tiles
from photometry.core.stamp import Stamp

ROW = np.dtype([('starid', 'i8'), ('sector', 'i4'), ('camera', 'i4'), ('ccd', 'i4'), ('cadence', 'i4'),
                ('tmag', 'f8'), ('row', 'f8'), ('column', 'f8'), ('tile', 'i4'), ('cbv_area', 'i4'),
                ('cube', 'i4'), ('whole', '?'), ('depth', 'f8'), ('skipped_by', 'i8'), ('method', 'i4'),
                ('wanted', '?')])
"""A star of one CCD and cadence; ``cube`` and ``method`` count in lists, ``skipped_by`` is a starid or 0."""


@dataclass(frozen=True)
class CubeFacts:
    """What the todo list needs of a cube."""

    number: int
    limits: Stamp
    cadence: int
    whole: bool
    """Whether it is the full CCD, no cutout."""
    sumimage: np.ndarray


def stars_on(cube, stars, row, column, identity, camera_centre):
    """Rows for the catalogue stars that lie on pixels with data of a cube.

    Parameters
    ----------
    cube : CubeFacts
    stars : structured ndarray (n,)
        With starid, ra, decl, tmag.
    row, column : ndarray (n,)
        Zero-based positions; NaN where unknown.
    identity : tuple of int
        (sector, camera, ccd).
    camera_centre : tuple of float
        (ra, dec), deg.

    Returns
    -------
    rows : ndarray of `ROW`
    lost : int
        Stars on silicon whose pixel has no data.
    """
    limits = cube.limits.clipped(coordinates.SCIENCE)
    on = ((row >= limits.row_min - 0.5) & (row < limits.row_max - 0.5)
          & (column >= limits.col_min - 0.5) & (column < limits.col_max - 0.5))
    index = np.flatnonzero(on)
    pixel = _pixel(row[index], column[index], cube.limits)
    data = np.isfinite(cube.sumimage[pixel])
    index = index[data]
    found = np.zeros(len(index), dtype=ROW)
    found['starid'], found['tmag'] = stars['starid'][index], stars['tmag'][index]
    found['row'], found['column'] = row[index], column[index]
    found['sector'], found['camera'], found['ccd'] = identity
    found['cadence'], found['cube'], found['whole'] = cube.cadence, cube.number, cube.whole
    found['tile'] = tiles.tile_number(row[index], column[index], cube.limits)
    found['depth'] = np.min([row[index] - limits.row_min, limits.row_max - 1 - row[index],
                             column[index] - limits.col_min, limits.col_max - 1 - column[index]], axis=0)
    found['cbv_area'] = _areas(stars['ra'][index], stars['decl'][index], identity, camera_centre)
    return found, int(np.count_nonzero(~data))


def _areas(ra, decl, identity, camera_centre):
    """CBV areas; the last digit is 0 where the catalogue does not tell the camera's centre."""
    if not np.all(np.isfinite(camera_centre)):
        return np.full(len(ra), 100 * identity[1] + 10 * identity[2])
    distance = coordinates.angular_distance(ra, decl, *camera_centre)
    return coordinates.cbv_area(identity[1], identity[2], distance)


def _pixel(row, column, limits):
    return (np.floor(row + 0.5).astype(int) - limits.row_min,
            np.floor(column + 0.5).astype(int) - limits.col_min)


def choose_cubes(found):
    """Keep each star once a cadence: in the full CCD, else where it lies farthest from an edge."""
    order = np.lexsort((found['cube'], -found['depth'], ~found['whole'], found['cadence'], found['starid']))
    found = found[order]
    first = np.ones(len(found), dtype=bool)
    first[1:] = ((found['starid'][1:] != found['starid'][:-1])
                 | (found['cadence'][1:] != found['cadence'][:-1]))
    return found[first]


def mark_skipped(found, saturated, able, separation=skipping.SEPARATION):
    """Fill ``skipped_by`` for the stars of one CCD and cadence.

    Parameters
    ----------
    found : ndarray of `ROW`
        All catalogue stars of the CCD, those left out of the list as well.
    saturated : ndarray of bool (rows, columns)
        Of the whole FFI.
    able : ndarray of bool (n,)
        Stars that are measured by aperture.
    separation : float
        Pixels.
    """
    by = skipping.who_skips_whom(found['starid'], found['tmag'], found['row'], found['column'], saturated,
                                 able=able, separation=separation)
    found['skipped_by'] = np.where(by >= 0, found['starid'][by], 0)


def saturated_on(ffi, cube, full):
    """Enter the saturated pixels of a cube into an image of the whole FFI."""
    ffi[cube.limits.slices()] |= full
    return ffi


def in_order(found):
    """Sorted by (tmag, starid), unknown magnitudes last; the rest of the key settles ties."""
    return found[np.lexsort((found['cadence'], found['ccd'], found['camera'], found['sector'],
                             found['starid'], found['tmag']))]
