"""The usable pixels of a field box by box: found once, gathered from every frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from photometry.algorithms import boxes

TOGETHER = 1 << 17
"""Pixels that are worked on at once: few enough to stay in the cache of a core."""


class _Band(NamedTuple):
    """Some rows of boxes."""

    rows: slice
    """Rows of pixels."""
    boxes: slice
    pixel: np.ndarray
    """Usable pixels of each box, counted from the first of the band, (boxes, most)."""
    none: np.ndarray
    """Which of them stand for no pixel, (boxes, most)."""


class BoxPixels:
    """Pixels that may serve for the sky, in boxes.

    Parameters
    ----------
    usable : bool array (height, width)
    rows, columns : photometry.algorithms.splines.SplineAxis
        Boxes along the two axes.
    step : int
        Every how many-th pixel of every box is taken along both axes.
    """

    def __init__(self, usable, rows, columns, step=1):
        axes = rows, columns
        self.shape, self.step = (rows.count, columns.count), step
        self._kept = [_every(axis, step) for axis in axes]
        self._basis = [axis.basis[kept].astype('f4') for axis, kept in zip(axes, self._kept, strict=True)]
        row, column = (np.arange(axis.length)[kept] // axis.size
                       for axis, kept in zip(axes, self._kept, strict=True))
        usable = self._thinned(np.asarray(usable))
        together = max(1, TOGETHER * rows.count // usable.size)
        self._bands = []
        for first in range(0, rows.count, together):
            some = slice(*np.searchsorted(row, [first, first + together]))
            number = (row[some, None] - first) * columns.count + column
            self._bands.append(_band(some, first * columns.count, usable[some], number))

    def _thinned(self, image):
        return image[self._kept[0]][:, self._kept[1]]

    def gather(self, image):
        """Values (boxes, pixels) of each band from an image (height, width); NaN where there is none."""
        image, made = self._thinned(image), []
        for band in self._bands:
            values = image[band.rows].ravel()[band.pixel]
            values[band.none] = np.nan
            made.append(values)
        return made

    def residual(self, gathered, mesh, scatter=None) -> boxes.BoxStatistics:
        """Statistics of what a mesh leaves of gathered values, as of `boxes.statistics`.

        Parameters
        ----------
        gathered : list of arrays
            As from `gather`.
        mesh : array (rows of boxes, columns of boxes)
            Coefficients.
        scatter : array (boxes,), optional
            As for `boxes.statistics`.
        """
        rows, columns = self._basis
        lines = mesh.astype('f4') @ columns.T
        found = []
        for band, values in zip(self._bands, gathered, strict=True):
            model = (rows[band.rows] @ lines).ravel()
            known = None if scatter is None else scatter[band.boxes]
            found.append(boxes.statistics(values - model[band.pixel], scatter=known))
        return boxes.BoxStatistics(*map(np.concatenate, zip(*found, strict=True)))


def _every(axis, step):
    """Every step-th pixel of every box of an axis, as an index."""
    if axis.size % step == 0:
        return slice(None, None, step)
    return np.flatnonzero(np.arange(axis.length) % axis.size % step == 0)


def _band(rows, first, usable, number):
    """Rows of boxes from their usable pixels and the number of each pixel's box, counted from the first."""
    pixel = np.flatnonzero(usable)
    number = number.ravel().astype('u2')
    pixel = pixel[np.argsort(number[pixel], kind='stable')]
    counts = np.bincount(number[pixel], minlength=int(number.max()) + 1)
    starts = np.cumsum(counts) - counts
    place = np.arange(max(counts.max(), 1))
    none = place >= counts[:, None]
    pixel = pixel if pixel.size else np.zeros(1, int)
    chosen = np.where(none, 0, starts[:, None] + place)
    return _Band(rows, slice(first, first + counts.size), pixel[chosen], none)
