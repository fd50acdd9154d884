"""Sums of a cube along time: the mean image, which grows while blocks are written, and weighted sums."""

from __future__ import annotations

import numpy as np

from photometry.core.stamp import Stamp
from photometry.files.cube_schema import SPATIAL_CHUNK

_COLUMNS = 256
"""Columns summed at once, to bound the memory."""


class TimeMean:
    """Mean of images over some cadences.

    Every pixel is summed in float64 from cadence to cadence, so that neither blocks nor the way by which
    a cadence came can change a bit.

    Parameters
    ----------
    shape : (rows, columns)
    good : bool array (times,)
        Cadences that count.
    """

    def __init__(self, shape, good):
        self._good = good
        self._sum, self._number = np.zeros(shape), np.zeros(shape, 'u4')

    def add(self, cadences, rows, values):
        """Add the next cadences of some rows.

        Parameters
        ----------
        cadences : slice
        rows : slice
        values : array (cadences, rows, columns)
        """
        total, number = self._sum[rows], self._number[rows]
        for good, image in zip(self._good[cadences], values, strict=True):
            if not good:
                continue
            finite = np.isfinite(image)
            if finite.all():
                total += image
                number += 1
            else:
                np.add(total, image, out=total, where=finite)
                number += finite

    def mean(self):
        """What was added, (rows, columns) float64; NaN where a pixel has no value."""
        mean = np.full(self._sum.shape, np.nan)
        return np.divide(self._sum, self._number, out=mean, where=self._number > 0)


def parts(stamp):
    """The pieces of a stamp whose pixels of all times fit in memory."""
    for row in range(stamp.row_min, stamp.row_max, SPATIAL_CHUNK):
        for column in range(stamp.col_min, stamp.col_max, _COLUMNS):
            yield Stamp(row, row + SPATIAL_CHUNK, column, column + _COLUMNS).clipped(stamp)


def weighted(values, weights):
    """Sums (n, rows, columns) of values (rows, columns, times), missing ones taken for the mean."""
    mean = _time_mean(values)
    away = np.where(np.isfinite(values), values - mean[:, :, None], 0.0)
    return np.moveaxis(away @ weights.T, 2, 0) + mean * weights.sum(axis=1)[:, None, None]


def _time_mean(values):
    """Mean of the finite values along time, (rows, columns) float64; NaN of none."""
    finite = np.isfinite(values)
    number = finite.sum(axis=2)
    mean = np.full(number.shape, np.nan)
    np.divide(values.sum(axis=2, dtype='f8', where=finite), number, out=mean, where=number > 0)
    return mean
