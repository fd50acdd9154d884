"""Dark pixels of a tile, from which its stars learn how far the background was wrong."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import apertures, local_sky
from photometry.methods import starlight
from photometry.pixels import block

SKY_LIGHT = 3.0
"""Starlight below which a pixel tells about the sky, e-/s; what no star explains counts as well."""

PIXELS_A_STAR = 100
"""Dark pixels that are read for each star of the cell: more would cost more than the star's sums."""

LEAST_PIXELS, MOST_PIXELS = 800, 4000
"""Dark pixels that are read in any case, and the most that are read."""


MOST_NUMBERS = 1 << 20
"""Stars times cadences up to which the stars of a cell learn together, which costs a third."""


def around(tile, row, column):
    """What the dark pixels of a tile tell a star.

    Parameters
    ----------
    tile : photometry.methods.tile.TileContext
    row, column : float
        Place of the star in the mean image.

    Returns
    -------
    photometry.algorithms.local_sky.LocalSky or None
    """
    blocks = of_tile(tile)
    if blocks is None:
        return None
    if '_skies' not in tile.__dict__:
        tile.__dict__['_skies'] = _of_stars(tile, blocks)
    skies = tile.__dict__['_skies']
    if (row, column) in skies:
        return skies[row, column]
    return local_sky.around(blocks, np.array([row]), np.array([column]))[0]


def _of_stars(tile, blocks):
    """What they tell the stars of the cell, by their places."""
    mean = tile.mean
    chosen = measured_stars(tile, mean.row[:tile.index.size], mean.column[:tile.index.size], tile.tmag)
    if chosen.size * tile.pixels.time.size > MOST_NUMBERS:
        return {}
    row, column = mean.row[chosen], mean.column[chosen]
    return dict(zip(zip(row.tolist(), column.tolist(), strict=True), local_sky.around(blocks, row, column),
                    strict=True))


def measured_stars(tile, row, column, tmag):
    """Numbers of the stars of a cell that light curves are made of by default."""
    cell = tile.cell
    return np.flatnonzero((tmag <= tile.settings.todo.faint_limit)
                          & (row >= cell.row_min - 0.5) & (row < cell.row_max - 0.5)
                          & (column >= cell.col_min - 0.5) & (column < cell.col_max - 0.5))


def of_tile(tile):
    """`~photometry.algorithms.local_sky.SkyBlocks` of a tile's region, made once."""
    made = tile.__dict__.get('_sky_blocks')
    if made is None:
        made = tile.__dict__['_sky_blocks'] = _measured(tile)
    return made


def _measured(tile):
    pixels, info = tile.pixels, tile.source.pixels.info
    dark = dark_pixels(tile)
    stars = measured_stars(tile, *tile.source.mean_positions, tile.source.tmag).size
    wanted = min(max(PIXELS_A_STAR * stars, LEAST_PIXELS), MOST_PIXELS)
    step = max(1, round(int(dark.sum()) / wanted))
    if 4 * dark.size * pixels.time.size <= block.MOST_BYTES:
        pixels.load('images'), pixels.load('images_err')
    gain = apertures.clipping_gain(info.n_readout, info.num_frm, info.crmiten)
    return local_sky.measure(pixels.read, dark, tile.region, pixels.good, gain, step)


def dark_pixels(tile):
    """Pixels of a tile's region with hardly any starlight, known or not, (rows, columns) of bool."""
    light = starlight.of_tile(tile)
    image = tile.pixels.sumimage(tile.region)
    with np.errstate(invalid='ignore'):
        return (light.mean - light.sky < SKY_LIGHT) & (np.abs(image - light.mean) < SKY_LIGHT)
