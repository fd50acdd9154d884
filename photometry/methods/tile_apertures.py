"""Masks of the faint stars of a tile, whose stamps are of one size, made together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from photometry.algorithms import apertures, masks
from photometry.core.stamp import Stamp
from photometry.methods import starlight, tile_sky

SIDE = 15
"""Rows and columns of the stamp of a faint star, the smallest one."""


class Ready(NamedTuple):
    """What a star's aperture is made of."""

    light: starlight.StampLight
    mask: np.ndarray
    """(rows, columns) of bool."""
    weights: np.ndarray
    """(rows, columns)."""


def of_star(photometry, choose, least):
    """The mask of a star by signal to noise, where it is one of those that are made together.

    They are made once the pixels of the tile are in memory: of a single star only its stamp
    is read. What they are does not depend on that.

    Parameters
    ----------
    photometry : photometry.methods.base.BasePhotometry
    choose : callable
        ``choose(expected, variance, slopes)`` gives the masks of stars of this tile,
        (stars, rows, columns) of bool.
    least : float
        Part of the star's light that a mask must hold.

    Returns
    -------
    Ready or None
        None for stars that are bright, stand near full pixels or the edge, or whose mask
        touches the border of the stamp or holds hardly any light.
    """
    tile = photometry.tile
    if 'images_err' not in tile.pixels.held:
        return None
    if '_apertures' not in tile.__dict__:
        tile.__dict__['_apertures'] = _made(tile, choose, least)
    return tile.__dict__['_apertures'].get((photometry.catalog_index, photometry.stamp))


def _made(tile, choose, least):
    """`Ready` of stars by their rows in the catalogue and their stamps."""
    whole = starlight.of_tile(tile)
    stars, corner = _stamps(tile)
    if not stars.size:
        return {}
    rows, columns = (axis[:, None] + np.arange(SIDE) for axis in corner)
    part = np.s_[rows[:, :, None] - tile.region.row_min, columns[:, None, :] - tile.region.col_min]
    image = tile.pixels.sumimage(tile.region)
    template, wing = whole.on_stamps(stars, rows, columns)
    expected = np.maximum(whole.flux[stars], 1.0)[:, None, None] * template
    variance = np.where(np.isfinite(image[part]), tile.pixels.variance(tile.region)[part], np.inf)
    mask = choose(expected, variance, [slope[part] for slope in whole.slopes])
    kept = ~masks.may_fill(image)[part].any(axis=(1, 2)) & ~_touching(mask)
    kept &= (expected.max(axis=(1, 2)) <= masks.SATURATION / 2) & mask.any(axis=(1, 2))
    kept &= (template * mask).sum(axis=(1, 2)) >= least
    made = {}
    for number in np.flatnonzero(kept):
        stamp = Stamp(*(int(value) for first in corner for value in (first[number], first[number] + SIDE)))
        light = starlight.StampLight.ready(whole, int(stars[number]), stamp, template[number], wing[number])
        weights = (apertures.optimal_weights(expected[number], variance[number], mask[number])
                   if tile.settings.aperture.weighting else mask[number].astype('float64'))
        made[int(tile.index[stars[number]]), stamp] = Ready(light, mask[number], weights)
    return made


def _stamps(tile):
    """Numbers of the stars of the cell with small stamps inside of the region, and their first pixels."""
    mean, index = tile.mean, tile.index
    stars = tile_sky.measured_stars(tile, mean.row[:index.size], mean.column[:index.size], tile.tmag)
    stars = stars[[masks.stamp_size(tmag) == (SIDE, SIDE) for tmag in tile.tmag[stars].tolist()]]
    corner = [np.rint(axis[index[stars]] - (SIDE - 1) / 2).astype(int) for axis in tile.source.positions]
    inside = np.ones(stars.size, dtype=bool)
    for first, low, size in zip(corner, tile.region[::2], tile.region.shape, strict=True):
        inside &= (first >= low) & (first + SIDE <= low + size)
    return stars[inside], [first[inside] for first in corner]


def _touching(mask):
    """Which masks (stars, rows, columns) touch the border of their stamps."""
    return (mask[:, [0, -1]].any(axis=(1, 2)) | mask[:, :, [0, -1]].any(axis=(1, 2)))
