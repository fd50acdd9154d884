"""Which parts of a field the effective PRF is learned from, and how much it may change over them."""

from __future__ import annotations

import numpy as np

from photometry.core.stamp import Stamp

WHOLE = 320
"""Side up to which a field is taken as a whole, px."""

CELL, MOST_CELLS = 256, 4
"""Size that cells of a larger field should have, px; most of them along an axis."""

SIDE = 144
"""Side of the part of a cell that is looked at where there are many cells, px."""

FEW_CELLS = 4
BRIGHTEST = 7.0
"""Stars brighter than this magnitude are saturated."""

LINEAR, QUADRATIC = (500, 150), (1400, 600)
"""Shortest side in px and stars from which on the PRF may change in such a way."""


def choose(limits, row, column, tmag):
    """Parts of a field, a list of `Stamp`: everything, or the best of each cell of a grid.

    Parameters
    ----------
    limits : Stamp
    row, column, tmag : arrays (n,)
        Stars.
    """
    if max(limits.shape) <= WHOLE:
        return [limits]
    counts = [int(np.clip(np.ceil(side / CELL), 1, MOST_CELLS)) for side in limits.shape]
    rows, columns = (np.linspace(low, low + side, count + 1).astype(int) for low, side, count in zip(
        limits[::2], limits.shape, counts, strict=True))
    cells = [Stamp(*down, *along) for down in zip(rows[:-1], rows[1:], strict=True)
             for along in zip(columns[:-1], columns[1:], strict=True)]
    if len(cells) <= FEW_CELLS:
        return cells
    return [_best(cell, row, column, tmag) for cell in cells]


def _best(cell, row, column, tmag):
    """The part of a cell that holds the most light of unsaturated stars."""
    light = np.where(tmag > BRIGHTEST, np.minimum(10 ** (-0.4 * (tmag - 10)), 1.0), 0.0)
    best = None
    for low in _starts(cell.row_min, cell.height):
        for left in _starts(cell.col_min, cell.width):
            part = Stamp(low, low + SIDE, left, left + SIDE).clipped(cell)
            inside = ((row > part.row_min) & (row < part.row_max - 1)
                      & (column > part.col_min) & (column < part.col_max - 1))
            total = light[inside].sum()
            if best is None or total > best[0]:
                best = total, part
    return best[1]


def _starts(first, length):
    """Where parts of a cell may begin."""
    return np.unique(np.linspace(first, first + max(length - SIDE, 0), 4).astype(int)).tolist()


def degree(limits, stars):
    """Degree in row and column up to which the correction may change over the field."""
    side = min(limits.shape)
    return sum(side >= least and stars >= number for least, number in (LINEAR, QUADRATIC))
