"""The usable pixels of a field box by box: found once, gathered from every frame."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import boxes

GROUP = 1 << 17
"""Pixels of the boxes that are worked on at once: few enough to stay in the cache of a core."""


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
        self.shape, self.step = (rows.count, columns.count), step
        axes = rows, columns
        self._kept = [np.flatnonzero(np.arange(axis.length) % axis.size % step == 0) for axis in axes]
        self._basis = [axis.basis[kept].astype('f4') for axis, kept in zip(axes, self._kept, strict=True)]
        self._box = [kept // axis.size for axis, kept in zip(axes, self._kept, strict=True)]
        self._usable = self._thinned(np.asarray(usable))
        self.groups = list(self._groups())

    def _thinned(self, image):
        return image if self.step == 1 else image[self._kept[0]][:, self._kept[1]]

    def _groups(self):
        """Boxes with about as many pixels each: numbers, pixels, and which of these stand for none."""
        box = (self._box[0][:, None] * self.shape[1] + self._box[1]).astype('u4').ravel()
        pixel = np.flatnonzero(self._usable)
        pixel = pixel[np.argsort(box[pixel], kind='stable')]
        counts = np.bincount(box[pixel], minlength=self.shape[0] * self.shape[1])
        starts = np.cumsum(counts) - counts
        waiting = np.argsort(-counts, kind='stable')[:np.count_nonzero(counts)]
        while len(waiting):
            most = counts[waiting[0]]
            some, waiting = np.split(waiting, [max(1, GROUP // most)])
            none = np.arange(most) >= counts[some, None]
            yield some, pixel[np.where(none, 0, starts[some, None] + np.arange(most))], none

    def gather(self, image):
        """Values (boxes, pixels) of each group from an image (height, width); NaN where there is none."""
        flat, made = self._thinned(image).ravel(), []
        for _, pixel, none in self.groups:
            values = flat.take(pixel)
            values[none] = np.nan
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
        model = (rows @ mesh.astype('f4') @ columns.T).ravel()
        size = self.shape[0] * self.shape[1]
        made = boxes.BoxStatistics(np.full(size, np.nan), np.zeros(size), np.zeros(size, int))
        for (some, pixel, _), values in zip(self.groups, gathered, strict=True):
            found = boxes.statistics(values - model.take(pixel),
                                     scatter=None if scatter is None else scatter[some])
            for whole, part in zip(made, found, strict=True):
                whole[some] = part
        return made
