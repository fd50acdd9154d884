"""Pixels along columns between which charge may run, and their sums, which it leaves as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Trails:
    """Runs of pixels along columns, each of them counted as one pixel.

    What a full pixel cannot hold runs along its column and is read out with the pixels there
    (TESS Instrument Handbook, sec. 5.4): the sum over all that it may reach is linear in the light.

    Attributes
    ----------
    row, column : ndarray (pixels,) of int
        Pixels of an image, trail after trail.
    first : ndarray (trails,) of int
        Where each trail begins among them.
    """

    row: np.ndarray
    column: np.ndarray
    first: np.ndarray

    @classmethod
    def none(cls):
        """No trail at all."""
        return cls(*(np.zeros(0, dtype=int) for _ in range(3)))

    @classmethod
    def of(cls, spoilt):
        """Trails of an image.

        Parameters
        ----------
        spoilt : ndarray (rows, columns) of bool
            Pixels that may be full or reached by charge. Runs that touch the first or the last
            row are no trails: their charge may have gone on.
        """
        column, row = np.nonzero(spoilt.T)
        made = cls(row, column, np.flatnonzero(_begins(row, column)))
        return made.chosen((made._least(row) > 0) & (made._most(row) < spoilt.shape[0] - 1))

    def __len__(self):
        return self.first.size

    @property
    def number(self):
        """Which trail each pixel belongs to, (pixels,) of int."""
        return np.repeat(np.arange(len(self)), self._lengths)

    @property
    def _lengths(self):
        return np.diff(self.first, append=self.row.size)

    def _least(self, values):
        return np.minimum.reduceat(values, self.first) if len(self) else values

    def _most(self, values):
        return np.maximum.reduceat(values, self.first) if len(self) else values

    def chosen(self, kept):
        """Some of them, by (trails,) of bool."""
        pixels = kept[self.number]
        lengths = self._lengths[kept]
        return Trails(self.row[pixels], self.column[pixels], np.cumsum(lengths) - lengths)

    def within(self, rows, columns):
        """Those that lie in a range (first, end) of rows and columns as a whole, counted from its corner."""
        return self.chosen(self.lie_within(rows, columns)).moved(-rows[0], -columns[0])

    def lie_within(self, rows, columns):
        """Which trails lie in a range (first, end) of rows and columns as a whole, (trails,) of bool."""
        return ((self._least(self.row) >= rows[0]) & (self._most(self.row) < rows[1])
                & (self._least(self.column) >= columns[0]) & (self._most(self.column) < columns[1]))

    def moved(self, down, right):
        """The same pixels counted from another corner."""
        return Trails(self.row + down, self.column + right, self.first)

    def sums(self, images):
        """Sums over the trails, (..., trails), of images (..., rows, columns)."""
        return self.added(images[..., self.row, self.column], axis=-1)

    def added(self, values, axis=0):
        """Sums over the trails of values of their pixels."""
        return np.add.reduceat(values, self.first, axis=axis) if len(self) else values

    def folded(self, values, width):
        """Values (..., pixels) of an image along its rows, the sums over the trails in their first pixels.

        The other pixels of the trails hold nothing.
        """
        if not len(self):
            return values
        flat, made = self.flat(width), values.copy()
        made[..., flat] = 0
        made[..., flat[self.first]] = self.added(values[..., flat], axis=-1)
        return made

    def flat(self, width):
        """Numbers of the pixels along the rows of an image so many pixels wide, (pixels,) of int."""
        return self.row * width + self.column

    def mask(self, shape):
        """The pixels of all trails, (rows, columns) of bool."""
        made = np.zeros(shape, dtype=bool)
        made[self.row, self.column] = True
        return made


def _begins(row, column):
    """Where a pixel does not follow the last one in its column, (pixels,) of bool."""
    begins = np.ones(row.size, dtype=bool)
    begins[1:] = (np.diff(row) != 1) | (np.diff(column) != 0)
    return begins
