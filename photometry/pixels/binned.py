"""Whole images small enough for a screen: pixels of a cube, binned."""

import numpy as np

from photometry.algorithms import binning
from photometry.core.stamp import Stamp

TILE = 64, 512
"""Rows and columns that are read at a time: whole chunks, and whole bins of up to 64 px."""

MOST_READ = 512
"""Cadences that are read of a tile at a time: 67 MB."""


def tiles(limits, step):
    """Stamps that cover some limits, each of whole bins but for the last ones."""
    rows, columns = (max(side, step) for side in TILE)
    return [Stamp(row, row + rows, column, column + columns).clipped(limits)
            for row in range(limits.row_min, limits.row_max, rows)
            for column in range(limits.col_min, limits.col_max, columns)]


def read(source, layer, stamp, cadences, step):
    """Some cadences of a tile, binned.

    Parameters
    ----------
    source : photometry.pixels.ffi.CubeSource
    layer : str
        ``images``, ``backgrounds``, ``raw`` (their sum) or ``pixel_flags``.
    stamp : Stamp
    cadences : ndarray (times,) of int
        Sorted.
    step : int
        Rows and columns of a bin.

    Returns
    -------
    ndarray (rows, columns, times)
        Mean of the pixels that hold a number, e-/s; of flags all that any pixel of the bin has.
    """
    parts = [np.empty((-(-stamp.height // step), -(-stamp.width // step), 0), dtype='f4')]
    for run in _runs(cadences, source.info.chunks[2]):
        part = slice(int(run[0]), int(run[-1]) + 1)
        if layer == 'raw':
            pixels = source.read('images', stamp, part) + source.read('backgrounds', stamp, part)
        else:
            pixels = source.read(layer, stamp, part)
        chosen = pixels if len(run) == pixels.shape[-1] else pixels[..., run - run[0]]
        made = binning.any_flag(chosen, step) if layer == 'pixel_flags' else binning.mean(chosen, step)
        parts.append(made)
    return np.concatenate(parts[1:] or parts, axis=-1)


def _runs(cadences, depth):
    """Parts of sorted cadences that are read together: no chunk of times is skipped, none is too long."""
    gaps = np.flatnonzero(np.diff(cadences) > depth) + 1
    for run in np.split(cadences, gaps):
        if run.size:
            span = (run - run[0]) // MOST_READ
            yield from np.split(run, np.flatnonzero(np.diff(span)) + 1)
