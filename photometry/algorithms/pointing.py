"""Light through a moving image: polynomials in the displacement, from renderings on a small grid."""

from __future__ import annotations

from functools import cached_property

import numpy as np

FAR = 0.45
"""Displacement beyond which a frame is rendered by itself, px: such frames are few (a lost guide star)."""

LEAST = 0.01
"""Half width of the smallest grid, px."""

_DEGREES = ((0.035, 2), (0.07, 3), (0.1, 4), (0.14, 5), (0.2, 7), (0.35, 10), (np.inf, 13))
"""Half widths up to which a polynomial of some degree describes the light in a mask to 2e-5."""


class PointingGrid:
    """Displacements at which stars are rendered, so that any smaller displacement follows.

    The light of a star in a weighted sum of pixels is a smooth function of its
    displacement. On Chebyshev nodes over the range of the motion it is interpolated by
    polynomials of such a degree that the error stays below 2e-5 of the light (measured
    with the official PRF; second derivatives alone err by 4e-4 at 0.08 px).

    Parameters
    ----------
    down, right : ndarray (times,)
        Displacements from the mean position by rows and by columns, px, of a typical star.
    good : ndarray (times,) of bool
        Frames of which the mean image is made.
    """

    def __init__(self, down, right, good):
        near = is_near(down, right)
        self._axes = [_Axis(np.abs(shift[near]).max(initial=0.0)) for shift in (down, right)]
        kept = near & good
        self._mean = (self._mean_weights(down[kept], right[kept]) if kept.any()
                      else self._mean_weights(np.zeros(1), np.zeros(1)))

    def weights(self, down, right):
        """Weights (times, nodes) of the nodes."""
        rows, columns = (axis.powers(shift).T @ axis.matrix for axis, shift
                         in zip(self._axes, (down, right), strict=True))
        return (rows[:, :, None] * columns[:, None, :]).reshape(len(rows), -1)

    def _mean_weights(self, down, right):
        """Their mean over the times, (nodes,)."""
        rows, columns = self._axes
        moments = rows.powers(down) @ columns.powers(right).T / down.size
        return (rows.matrix.T @ moments @ columns.matrix).ravel()

    @property
    def mean(self):
        """Weights (nodes,) that make the mean image of those at the nodes."""
        return self._mean

    @cached_property
    def slopes(self):
        """Weights (2, nodes) that make its derivatives by row and column, per px."""
        level = [axis.matrix[0] for axis in self._axes]
        slope = [axis.slope @ axis.matrix for axis in self._axes]
        return np.stack([np.outer(slope[0], level[1]).ravel(), np.outer(level[0], slope[1]).ravel()])

    @cached_property
    def nodes(self):
        """(row, column) displacements of the nodes, px: two arrays (nodes,)."""
        rows, columns = (axis.nodes for axis in self._axes)
        return np.repeat(rows, columns.size), np.tile(columns, rows.size)

    def follow(self, values, down, right):
        """Values at all displacements from those at the nodes.

        Parameters
        ----------
        values : ndarray (n, nodes)
        down, right : ndarray (times,)

        Returns
        -------
        ndarray (n, times)
            Not to be used where `is_near` is false.
        """
        rows, columns = self._axes
        shape = rows.nodes.size, columns.nodes.size
        coefficients = rows.matrix @ values.reshape(-1, *shape) @ columns.matrix.T
        made = coefficients.reshape(-1, shape[1]) @ columns.powers(right)
        return (made.reshape(-1, shape[0], down.size) * rows.powers(down)).sum(axis=1)


def is_near(down, right):
    """Frames whose displacement the grid covers, (times,) of bool."""
    return (np.abs(down) <= FAR) & (np.abs(right) <= FAR)


class _Axis:
    """Nodes along one axis with the matrix that turns values there into coefficients of powers."""

    def __init__(self, extent):
        self.extent = max(1.02 * extent, LEAST)
        degree = next(number for limit, number in _DEGREES if self.extent <= limit)
        places = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))[::-1]
        self.nodes = self.extent * places
        self.matrix = np.linalg.inv(np.vander(places, increasing=True))

    def powers(self, shift):
        """1, x, x^2 ... of displacements in units of the extent: (degree + 1, times)."""
        made = np.empty((self.nodes.size, shift.size))
        made[0] = 1
        np.divide(shift, self.extent, out=made[1])
        for number in range(2, self.nodes.size):
            np.multiply(made[number - 1], made[1], out=made[number])
        return made

    @property
    def slope(self):
        """Derivatives of the powers at no displacement, per px."""
        made = np.zeros(self.nodes.size)
        made[1] = 1 / self.extent
        return made


def monomials(shift):
    """1, r, c, r^2/2, rc, c^2/2 of shifts (times, 2): (6, times)."""
    row, column = np.asarray(shift, dtype='float64').T
    return np.stack([np.ones_like(row), row, column, row ** 2 / 2, row * column, column ** 2 / 2])


def motion_terms(shift):
    """Terms by which light may follow the motion.

    Parameters
    ----------
    shift : ndarray (times, 2)
        px; NaN where unknown.

    Returns
    -------
    near : ndarray (times,) of bool
        Frames whose motion is known and not far.
    terms : ndarray (5, times)
        r, c, r^2/2, rc, c^2/2; zero in the other frames.
    """
    known = np.isfinite(shift).all(axis=1)
    near = known & is_near(*np.where(known[:, None], shift, 1.0).T)
    return near, monomials(np.where(near[:, None], shift, 0.0))[1:]
