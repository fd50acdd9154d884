"""Robust statistics of many boxes of an image at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MODE_VARIANCE = 4.57
"""Variance of 2.5 median - 1.5 mean of Gaussian numbers over that of their mean."""

_SMALL = 256
"""Nodes of a grid up to which dense matrices are faster than sparse ones."""

_PULL = 1e-3
"""Pull to the median, lest lone boxes run away on a line."""


class BoxStatistics(NamedTuple):
    """Mode, scatter and number of used pixels of every box, each (boxes,)."""

    mode: np.ndarray
    sigma: np.ndarray
    count: np.ndarray


def pad(image, rows, columns):
    """Image with NaN added until every box is full.

    Parameters
    ----------
    image : array (height, width)
    rows, columns : SplineAxis
    """
    if image.shape == (rows.padded, columns.padded):
        return image
    full = np.full((rows.padded, columns.padded), np.nan, dtype=image.dtype)
    full[:image.shape[0], :image.shape[1]] = image
    return full


def thin(image, rows, columns, step):
    """Every step-th pixel of every box, along both axes, of a padded image."""
    parts = image.reshape(rows.count, rows.size, columns.count, columns.size)[:, ::step, :, ::step]
    return parts.reshape(rows.count * parts.shape[1], columns.count * parts.shape[3])


def split(image, rows, columns):
    """Pixels box by box, rows of boxes first, of a padded or thinned image: (boxes, pixels)."""
    parts = image.reshape(rows.count, image.shape[0] // rows.count,
                          columns.count, image.shape[1] // columns.count)
    return parts.transpose(0, 2, 1, 3).reshape(rows.count * columns.count, -1)


def statistics(values, clip=3.0, scatter=None) -> BoxStatistics:
    """Mode after SExtractor (Bertin & Arnouts 1996): 2.5 median - 1.5 mean after clipping.

    Where mean and median differ by more than 0.3 of the scatter the box is
    crowded and the median is taken.

    Parameters
    ----------
    values : float array (boxes, pixels)
        NaN marks what is not to be used. The array is overwritten.
    clip : float
        Limit in units of the scatter.
    scatter : array (boxes,), optional
        Known scatter of values that lie around zero; the limits are then
        moved once only.
    """
    with np.errstate(invalid='ignore'):
        # numpy sorts many numbers at once, faster than others find the middle one
        values.sort(axis=1)
        if scatter is not None:
            limit = (clip * np.where(np.isfinite(scatter), scatter, np.inf)).astype('f4')
            return _mode(values, -limit, limit)
        median = medians(values)
        limit = clip * 1.4826 * medians(np.abs(values - median[:, None]))
        low, high = median - limit, median + limit
        median = _middle(values, *_between(values, low, high))
        return _mode(values, np.maximum(low, median - limit), np.minimum(high, median + limit))


def medians(values):
    """Medians along the second axis without NaN, (n,); the array is sorted in place."""
    values.sort(axis=1)
    return _middle(values, 0, np.count_nonzero(values == values, axis=1))


def _between(ordered, low, high):
    """First of the sorted values of each row that lies between two limits, and one more than the last."""
    sides = ordered < low[:, None], ordered <= high[:, None]
    return tuple(np.count_nonzero(side, axis=1) for side in sides)


def _middle(ordered, first, end):
    """Median of some of the sorted values of each row; NaN of none."""
    row, first, end = np.arange(len(ordered)), np.asarray(first), np.asarray(end)
    last = ordered.shape[1] - 1
    low, high = (np.clip(place, 0, last) for place in ((first + end - 1) // 2, (first + end) // 2))
    return np.where(first < end, (ordered[row, low] + ordered[row, high]) / 2, np.nan).astype(ordered.dtype)


def _mode(ordered, low, high):
    """Statistics of the sorted values of each row between two limits."""
    first, end = _between(ordered, low, high)
    count = end - first
    median = _middle(ordered, first, end)
    place = np.arange(ordered.shape[1])
    kept = (place >= first[:, None]) & (place < end[:, None])
    deviation = np.where(kept, ordered - median[:, None], np.float32(0))
    divisor = np.maximum(count, 1)
    # deviations are small, so pairwise float32 sums lose nothing
    shift = deviation.sum(axis=1) / divisor
    deviation *= deviation
    variance = deviation.sum(axis=1) / divisor - shift**2
    sigma = np.sqrt(np.maximum(variance, 0))
    crowded = np.abs(shift) > 0.3 * sigma
    mode = median - np.where(crowded, 0, 1.5 * shift)
    return BoxStatistics(np.where(count > 0, mode, np.nan), sigma, count)


class Gaps:
    """Fills gaps of a grid so that second differences are least.

    Parameters
    ----------
    shape : (rows, columns)
    """

    def __init__(self, shape):
        self._operator = _differences(*shape)
        self._known = None

    def __getstate__(self):
        """What travels to other processes: factors of matrices cannot."""
        return {'_operator': self._operator, '_known': None}

    def fill(self, values, known):
        """Values of a grid with new ones where ``known`` is False.

        Parameters
        ----------
        values : array (rows, columns)
        known : bool array of the same shape, at least one True

        Returns
        -------
        array (rows, columns)
        """
        if known.all():
            return values
        # the gaps are mostly those of the time before
        if not np.array_equal(known, self._known):
            self._learn(known)
        right = self._coupling @ values[known] + _PULL * np.median(values[known])
        filled = np.array(values, dtype='f8')
        filled[~known] = self._solve(right)
        return filled

    def _learn(self, known):
        missing = np.flatnonzero(~known)
        inner, outer = self._operator[:, missing], self._operator[:, np.flatnonzero(known)]
        self._coupling, self._known = -inner.T @ outer, known.copy()
        self._solve = _solver(inner.T @ inner)


def fill(values, known):
    """Values of one grid with gaps, see `Gaps`."""
    return values if known.all() else Gaps(values.shape).fill(values, known)


def _solver(normal):
    """Solution of normal equations for any right side."""
    from scipy import linalg
    if isinstance(normal, np.ndarray) or normal.shape[0] <= _SMALL:
        normal = normal if isinstance(normal, np.ndarray) else normal.toarray()
        factor = linalg.cho_factor(normal + _PULL * np.eye(len(normal)))
        return lambda right: linalg.cho_solve(factor, right)
    from scipy import sparse
    return sparse.linalg.splu((normal + _PULL * sparse.eye(normal.shape[0])).tocsc()).solve


def _differences(rows, columns):
    """Operator of first (weak) and second differences of a grid; sparse unless the grid is small."""
    parts = _difference_parts(rows, columns)
    if rows * columns <= _SMALL:
        return np.vstack([np.kron(*part) for part in parts]) if parts else np.zeros((1, rows * columns))
    from scipy import sparse
    return sparse.vstack([sparse.kron(*map(sparse.csr_matrix, part)) for part in parts]).tocsc()


def _difference_parts(rows, columns):
    """Pairs of matrices whose Kronecker products are the rows of the operator."""
    parts = []
    for length, other, row_first in ((rows, columns, True), (columns, rows, False)):
        for order, weight in ((1, 0.05), (2, 1.0)):
            if length <= order:
                continue
            one = weight * np.diff(np.eye(length), n=order, axis=0)
            parts.append((one, np.eye(other)) if row_first else (np.eye(other), one))
    return parts
