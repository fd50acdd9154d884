"""Sums over an aperture as time series, with the light that enters and leaves it."""

from __future__ import annotations

import numpy as np


def sum_pixels(cube, mask):
    """Sum over the pixels of a mask, in float64.

    Parameters
    ----------
    cube : ndarray (rows, columns, times)
    mask : ndarray (rows, columns) of bool

    Returns
    -------
    ndarray (times,)
        NaN where a pixel of the mask is.
    """
    return cube[mask].sum(axis=0, dtype='float64')


def sum_errors(cube, mask):
    """Standard error of the sum over a mask of independent pixels, (times,)."""
    pixels = cube[mask].astype('float64')
    return np.sqrt(np.einsum('pt,pt->t', pixels, pixels))


def centroid(cube, mask, stamp):
    """Centre of light in a mask.

    Returns
    -------
    row, column : ndarray (times,)
        Zero-based CCD positions; NaN where the light in the mask is not positive.
    """
    rows, columns = np.nonzero(mask)
    pixels = cube[mask].astype('float64')
    total = pixels.sum(axis=0)
    total = np.where(total > 0, total, np.nan)
    return ((rows + stamp.row_min) @ pixels / total, (columns + stamp.col_min) @ pixels / total)


def any_flag(flags, mask):
    """Bits that any pixel of a mask has, (times,) int32."""
    return np.bitwise_or.reduce(flags[mask], axis=0).astype('int32')


def moving_fraction(render, row, column, down, right, mask):
    """Part of stars' light inside a mask while they move.

    The sum over the mask is a smooth function of the position; it is computed
    on a grid of displacements that spans the motion and interpolated by the
    polynomial through the grid, so that no frame is rendered by itself.

    Parameters
    ----------
    render : callable
        ``render(row, column) -> (n, rows, columns)``, as `PRF.render` on the stamp.
    row, column : ndarray (stars,)
        Mean positions.
    down, right : ndarray (stars, times)
        Displacements from them, px.
    mask : ndarray (rows, columns) of bool

    Returns
    -------
    ndarray (stars, times)
    """
    extent = max(np.abs(down).max(initial=0.0), np.abs(right).max(initial=0.0), 0.01)
    number = 3 if extent < 0.1 else 5
    nodes = np.linspace(-extent, extent, number)
    grid_row = np.repeat(row[:, None] + nodes, number, axis=1)
    grid_column = np.tile(column[:, None] + nodes, (1, number))
    values = render(grid_row.ravel(), grid_column.ravel())[:, mask].sum(axis=1)
    values = values.reshape(row.size, number, number)
    inner = np.einsum('nab,nbt->nat', values, _lagrange(right / extent, number))
    return np.einsum('nat,nat->nt', inner, _lagrange(down / extent, number))


def _lagrange(place, number):
    """Lagrange polynomials on equally spaced nodes in -1..1, (stars, nodes, times)."""
    nodes = np.linspace(-1, 1, number)
    factors = []
    for index, node in enumerate(nodes):
        others = np.delete(nodes, index)
        product = np.ones_like(place)
        for other in others:
            product = product * (place - other) / (node - other)
        factors.append(product)
    return np.stack(factors, axis=1)
