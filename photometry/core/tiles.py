"""Tiles: the fixed cells of a cube whose stars share their neighbours and go to one worker."""

import numpy as np

from photometry.core.stamp import Stamp

TILE = 64
"""Rows and columns of a tile, px; a multiple of the chunks of a cube."""


def tile_number(row, column, limits: Stamp):
    """Number of the tile on which positions lie.

    Parameters
    ----------
    row, column : float or ndarray of float
        Zero-based CCD pixels inside ``limits``.
    limits : Stamp
        Pixels of the cube; tile 0 starts at its first row and column.

    Returns
    -------
    int or ndarray of int
        Counted along the columns first.
    """
    down = (np.floor(np.asarray(row) + 0.5).astype(int) - limits.row_min) // TILE
    across = (np.floor(np.asarray(column) + 0.5).astype(int) - limits.col_min) // TILE
    return down * -(-limits.width // TILE) + across


def tile_stamp(number: int, limits: Stamp) -> Stamp:
    """Pixels of a tile, clipped at the edge of its cube."""
    down, across = divmod(int(number), -(-limits.width // TILE))
    row, column = limits.row_min + down * TILE, limits.col_min + across * TILE
    return Stamp(row, row + TILE, column, column + TILE).clipped(limits)


def tile_at(row: float, column: float, limits: Stamp) -> Stamp:
    """Pixels of the tile that holds a position, or of the nearest one to a position outside."""
    row = min(max(row, limits.row_min), limits.row_max - 1)
    column = min(max(column, limits.col_min), limits.col_max - 1)
    return tile_stamp(tile_number(row, column, limits), limits)
