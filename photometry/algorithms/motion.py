"""Movement of the stars over the pixels from frame to frame, an affine change of place."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Motion:
    """Movement of a CCD or cutout.

    Parameters
    ----------
    kernel : float64 array (times, 6)
        drow, dcolumn, a_rr, a_rc, a_cr, a_cc of every frame: position =
        reference + (drow, dcolumn) + A (reference - centre). The mean over
        good frames is zero; NaN where nothing was measured.
    centre : (row, column)
        Place about which A turns.
    warpmode : str
        'translation', 'affine' or 'unchanged'.
    scatter : float
        Estimated error of a frame's translation, px rms per axis.
    offset : float64 array (6,)
        Mean place of the stars less their reference places.
    reason : str
        Why nothing was measured, if so.
    """

    kernel: np.ndarray
    centre: tuple[float, float]
    warpmode: str
    scatter: float
    offset: np.ndarray
    reason: str = ''


def unchanged(good, centre, reason) -> Motion:
    """No movement: zero in good frames, NaN in the others."""
    logger.warning('The movement of the stars was not measured: %s.', reason)
    kernel = np.where(np.asarray(good)[:, None], np.zeros(6), np.nan)
    return Motion(kernel, tuple(centre), 'unchanged', np.inf, np.zeros(6), reason)


def positions_at(kernel, centre, row, column):
    """Places of stars in every frame.

    Parameters
    ----------
    kernel : array (times, 6)
    centre : (row, column)
    row, column : arrays (n,)
        Reference places.

    Returns
    -------
    rows, columns : float64 arrays (n, times)
        NaN where the kernel is.
    """
    kernel = np.asarray(kernel, dtype='f8')
    row, column = np.atleast_1d(np.asarray(row, 'f8')), np.atleast_1d(np.asarray(column, 'f8'))
    off_row, off_column = row[:, None] - centre[0], column[:, None] - centre[1]
    drow, dcolumn, a_rr, a_rc, a_cr, a_cc = kernel.T
    return (row[:, None] + drow + a_rr * off_row + a_rc * off_column,
            column[:, None] + dcolumn + a_cr * off_row + a_cc * off_column)


def from_positions(rows, columns, good, centre) -> Motion:
    """Movement from places of the same stars in every frame, as a WCS a frame gives them.

    Parameters
    ----------
    rows, columns : arrays (n, times)
        Zero-based CCD places of a grid of stars; NaN in frames without a WCS.
    good : bool array (times,)
        Frames that count; the others get NaN.
    centre : (row, column)
    """
    rows, columns = np.asarray(rows, 'f8'), np.asarray(columns, 'f8')
    measured = np.asarray(good) & np.isfinite(rows).all(axis=0) & np.isfinite(columns).all(axis=0)
    if len(rows) < 3 or not measured.any():
        return unchanged(good, centre, 'no good frame has a WCS')
    row, column = rows[:, measured].mean(axis=1), columns[:, measured].mean(axis=1)
    basis = np.stack([np.ones_like(row), row - centre[0], column - centre[1]], axis=1)
    inverse = np.linalg.pinv(basis)
    kernel = np.full((len(measured), 6), np.nan)
    kernel[measured] = _pack(inverse @ (rows[:, measured] - row[:, None]),
                             inverse @ (columns[:, measured] - column[:, None]))
    kernel -= kernel[measured].mean(axis=0)
    noise = kernel[:, :2][measured]
    scatter = _point_to_point(noise)
    return Motion(kernel, tuple(centre), 'affine', scatter, np.zeros(6))


def _pack(rows, columns):
    """Kernel (times, 6) from the solutions (3, times) of the two axes."""
    return np.stack([rows[0], columns[0], rows[1], rows[2], columns[1], columns[2]], axis=1)


def _point_to_point(series):
    """Noise of series (times, axes) from differences of neighbours; includes true jitter."""
    if len(series) < 3:
        return np.inf
    steps = np.diff(series, axis=0)
    return float(1.4826 * np.median(np.abs(steps - np.median(steps, axis=0))) / np.sqrt(2))


def measure(stamps, errors, stamp_rows, stamp_columns, row, column, render, good, centre) -> Motion:
    """Movement measured on the stars.

    Parameters
    ----------
    stamps, errors : arrays (n, height, width, times)
        Background-subtracted pixels around bright isolated unsaturated stars
        and their errors, e-/s.
    stamp_rows, stamp_columns : int arrays (n,)
        First row and column of each star's stamp.
    row, column : arrays (n,)
        Reference places of the stars.
    render : callable
        ``render(row, column, stamp, derivatives=True)`` of a PRF.
    good : bool array (times,)
    centre : (row, column)
    """
    return unchanged(good, centre, 'not yet')


def select(row, column, tmag, limits, count=60, bright=7.5, faint=13.0, half=4, isolation=3.0):
    """Stars fit for measuring the movement, the brightest first; indices into the catalogue."""
    inside = ((row > limits.row_min + half) & (row < limits.row_max - half - 1)
              & (column > limits.col_min + half) & (column < limits.col_max - half - 1))
    usable = np.flatnonzero(inside & (tmag > bright) & (tmag < faint))
    return usable[np.argsort(tmag[usable], kind='stable')][:count]


def choose(wcs: Motion, stars: Motion, good) -> Motion:
    """The better measured of two movements."""
    return stars if stars.scatter <= wcs.scatter else wcs
