"""From catalogue stars and cubes to the rows of the todo list, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.algorithms import skipping
from photometry.core import coordinates, tiles
from photometry.core.stamp import Stamp

ROW = np.dtype([('starid', 'i8'), ('sector', 'i4'), ('camera', 'i4'), ('ccd', 'i4'), ('cadence', 'i4'),
                ('tmag', 'f8'), ('row', 'f8'), ('column', 'f8'), ('tile', 'i4'), ('cbv_area', 'i4'),
                ('cube', 'i4'), ('target', 'i8'), ('whole', '?'), ('depth', 'f8'), ('skipped_by', 'i8'),
                ('method', 'i4'), ('wanted', '?'), ('excluded', '?')])
"""A star of one CCD and cadence; ``cube`` and ``method`` count in lists, ``skipped_by`` is a starid or 0,
``target`` the star whose target pixel file ``cube`` is, or 0; without ``excluded`` it would be ``wanted``."""


@dataclass(frozen=True)
class PixelFacts:
    """What the todo list needs of a cube or a target pixel file."""

    number: int
    limits: Stamp
    cadence: int
    whole: bool
    """Whether it is the full CCD, no cutout."""
    sumimage: np.ndarray
    """(rows, columns), NaN where nothing was collected."""
    target: int = 0
    """Star of a target pixel file; 0 for cubes."""


def stars_on(cube, stars, row, column, identity, camera_centre):
    """Rows for the catalogue stars that lie on pixels with data of a cube or a target pixel file.

    Parameters
    ----------
    cube : PixelFacts
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
    found['target'] = cube.target
    found['tile'] = tiles.tile_number(row[index], column[index], cube.limits)
    found['depth'] = _depth(row[index], column[index], limits, cube)
    found['cbv_area'] = _areas(stars['ra'][index], stars['decl'][index], identity, camera_centre)
    return found, int(np.count_nonzero(~data))


def _depth(row, column, limits, cube):
    """Distance of stars from the edge of the limits, or of what was collected of a target pixel file, px."""
    depth = np.min([row - limits.row_min, limits.row_max - 1 - row,
                    column - limits.col_min, limits.col_max - 1 - column], axis=0)
    if cube.target and np.isnan(cube.sumimage).any():
        gap_row, gap_column = np.nonzero(np.isnan(cube.sumimage))
        away = np.maximum(np.abs(row[:, None] - gap_row - cube.limits.row_min),
                          np.abs(column[:, None] - gap_column - cube.limits.col_min))
        depth = np.minimum(depth, away.min(axis=1) - 1)
    return depth


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
    """Keep each star once a cadence and kind of pixels, where it is measured best.

    That is of cubes the full CCD, of target pixel files the star's own, else where it lies
    farthest from an edge.
    """
    best = found['whole'] | (found['target'] == found['starid'])
    order = np.lexsort((found['cube'], -found['depth'], ~best, found['target'] != 0, found['cadence'],
                        found['starid']))
    found = found[order]
    key = found['starid'], found['cadence'], found['target'] != 0
    first = np.ones(len(found), dtype=bool)
    first[1:] = np.any([values[1:] != values[:-1] for values in key], axis=0)
    return found[first]


def mark_skipped(found, saturated, able, separation=skipping.SEPARATION):
    """Fill ``skipped_by`` for the stars of one CCD, cadence and kind of pixels.

    The targets of target pixel files are always measured.

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
                                 able=able, separation=separation,
                                 first=found['target'] == found['starid'])
    found['skipped_by'] = np.where(by >= 0, found['starid'][by], 0)


def saturated_on(ffi, cube, full):
    """Enter the saturated pixels of a cube into an image of the whole FFI."""
    ffi[cube.limits.slices()] |= full
    return ffi


def datasource(starid, target) -> str:
    """The word of the todo list for the pixels of a row."""
    if not target:
        return 'ffi'
    return 'tpf' if target == starid else f'tpf:{target}'


def in_order(found):
    """Sorted by (tmag, starid), unknown magnitudes last; the rest of the key settles ties."""
    return found[np.lexsort([found[name] for name in (
        'target', 'cadence', 'ccd', 'camera', 'sector', 'starid', 'tmag')])]
