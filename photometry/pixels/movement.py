"""Where stars are at any time, from the measured motion of the spacecraft."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photometry.algorithms import motion


@dataclass(frozen=True)
class MovementKernel:
    """Motion of the stars against the reference frame.

    Attributes
    ----------
    kernel : ndarray (times, 6)
        As in the cube; NaN where no motion was measured.
    centre : tuple of float
        (row, column) about which the affine part turns.
    time : ndarray (times,)
        Spacecraft BTJD, sorted.
    warpmode : str
    """

    kernel: np.ndarray
    centre: tuple
    time: np.ndarray
    warpmode: str = 'affine'

    @cached_property
    def known(self) -> np.ndarray:
        """Frames whose motion was measured, (times,) bool."""
        return np.isfinite(self.kernel).all(axis=1)

    @cached_property
    def filled(self) -> np.ndarray:
        """The kernel with gaps bridged linearly in time; zeros where nothing was measured."""
        known = self.known
        if known.all():
            return self.kernel
        if not known.any():
            return np.zeros_like(self.kernel)
        return np.stack([np.interp(self.time, self.time[known], column[known])
                         for column in self.kernel.T], axis=1)

    @cached_property
    def _columns(self):
        """The filled kernel, (6, times), a row a term."""
        return np.ascontiguousarray(self.filled.T)

    def shift(self, row, column):
        """Motion of one star against the reference frame, px.

        Parameters
        ----------
        row, column : float
            Zero-based position in the reference frame.

        Returns
        -------
        ndarray (2, times)
            By rows, then by columns.
        """
        down, right = row - self.centre[0], column - self.centre[1]
        terms = np.array([[1.0, 0.0, down, right, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0, down, right]])
        return terms @ self._columns

    def positions(self, row, column):
        """Positions of stars in all frames.

        Parameters
        ----------
        row, column : array_like (stars,)
            Zero-based positions in the reference frame.

        Returns
        -------
        rows, columns : ndarray (stars, times)
        """
        return motion.positions_at(self.filled, self.centre, np.atleast_1d(row), np.atleast_1d(column))

    def interpolate(self, time, row, column):
        """Positions at one time, linearly between the frames.

        Parameters
        ----------
        time : float
            Spacecraft BTJD.
        row, column : array_like (stars,)
            Zero-based positions in the reference frame.

        Returns
        -------
        row, column : ndarray (stars,)
        """
        kernel = np.array([[np.interp(time, self.time, values) for values in self.filled.T]])
        rows, columns = motion.positions_at(kernel, self.centre, np.atleast_1d(row), np.atleast_1d(column))
        return rows[:, 0], columns[:, 0]
