"""Fewer points that look the same: where they crowd some go, where they are rare all stay."""

import numpy as np

CELLS = 240, 120
"""Over the width and the height of a picture."""

MOST = 2
"""Points of a cell that are drawn."""


def spread_out(x, y, cells=CELLS, most=MOST):
    """Points that cover the picture as all of them do.

    Parameters
    ----------
    x, y : ndarray (n,)
        Points with a value that is not finite are left out.
    cells : tuple of int
        Number of cells along x and y.
    most : int
        Of each cell these are kept, drawn by lot.

    Returns
    -------
    ndarray of int
        Sorted indices, at most ``most`` times the cells.
    """
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    # By lot: those that are first in a sorted list lie on one side of each cell.
    known = np.random.default_rng(0).permutation(known)
    cell = _cells(x[known], cells[0]) * cells[1] + _cells(y[known], cells[1])
    order = np.argsort(cell, kind='stable')
    first = np.flatnonzero(np.diff(cell[order], prepend=-1))
    place = np.arange(known.size) - np.repeat(first, np.diff(first, append=known.size))
    return np.sort(known[order[place < most]])


def _cells(values, number):
    if not values.size:
        return np.zeros(0, int)
    low, high = values.min(), values.max()
    return np.minimum((values - low) / ((high - low) or 1.0) * number, number - 1).astype(int)
