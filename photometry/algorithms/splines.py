"""Uniform cubic B-splines on a pixel axis, with local weights that do not depend on the piece asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


def cubic_weights(fraction):
    """Weights of the four cubic B-splines around a place.

    Parameters
    ----------
    fraction : array (...)
        Distance from the lower node in units of the spacing, 0 <= fraction < 1.

    Returns
    -------
    array (..., 4), float64
    """
    fraction = np.asarray(fraction, dtype='f8')
    rest = 1 - fraction
    return np.stack([rest * rest * rest / 6,
                     2 / 3 - fraction * fraction * (2 - fraction) / 2,
                     2 / 3 - rest * rest * (2 - rest) / 2,
                     fraction * fraction * fraction / 6], axis=-1)


@dataclass(frozen=True)
class SplineAxis:
    """Boxes of equal size along one axis with a B-spline coefficient each.

    Beyond the outer nodes the spline goes on as a straight line; a parabola would
    follow a curved sky no better there and double the noise.

    Parameters
    ----------
    first : int
        First pixel of the axis on the CCD.
    length : int
        Number of pixels.
    box : int
        Wanted size of a box, px.
    """

    first: int
    length: int
    box: int

    @property
    def count(self) -> int:
        """Number of boxes: one below 10 px, two up to 1.5 boxes."""
        if self.length < 10:
            return 1
        wanted = max(2, round(self.length / self.box))
        # full boxes first; none may be left empty when the size is rounded up
        return -(-self.length // -(-self.length // wanted))

    @property
    def size(self) -> int:
        """Pixels in a box; the last box may hold fewer."""
        return -(-self.length // self.count)

    @property
    def padded(self) -> int:
        """Pixels of all boxes when every one is full."""
        return self.size * self.count

    def taps(self, start: int, stop: int):
        """Lowest of the four coefficients and the weights for CCD pixels start..stop-1.

        Returns
        -------
        lowest : int array (n,)
            Index into coefficients extended by two on either side.
        weights : float32 array (n, 4)
        """
        place = (np.arange(start, stop) - self.first + 0.5) / self.size - 0.5
        node = np.floor(place)
        return node.astype(int) + 1, cubic_weights(place - node).astype('f4')

    @cached_property
    def basis(self):
        """Value of every coefficient's function at every pixel (length, count), float64."""
        lowest, weights = self.taps(self.first, self.first + self.length)
        extended = np.zeros((self.length, self.count + 4))
        np.put_along_axis(extended, lowest[:, None] + np.arange(4), weights, axis=1)
        return extended @ extend(np.eye(self.count))

    def thinned(self, step):
        """Basis (pixels, count) float32 at every step-th pixel of every box, full boxes only."""
        full = np.zeros((self.padded, self.count), dtype='f4')
        full[:self.length] = self.basis
        return full.reshape(self.count, self.size, -1)[:, ::step].reshape(-1, self.count)

    @cached_property
    def average(self):
        """Matrix (count, count) from coefficients to means over the boxes."""
        starts = np.arange(self.count) * self.size
        sums = np.add.reduceat(self.basis, starts, axis=0)
        return sums / np.diff(np.append(starts, self.length))[:, None]

    @cached_property
    def inverse(self):
        """Matrix (count, count) from means over the boxes to coefficients."""
        return np.linalg.inv(self.average)

    @cached_property
    def waves(self):
        """Orthonormal cosine waves over the boxes, one a row, longest first (count, count)."""
        order = np.arange(self.count)
        waves = np.cos(np.pi * order[:, None] * (order + 0.5) / self.count)
        return waves / np.sqrt(np.sum(waves**2, axis=1, keepdims=True))

    @cached_property
    def gain(self) -> float:
        """Root mean square error of a coefficient for box means of unit error."""
        return float(np.sqrt(np.mean(np.sum(self.inverse**2, axis=1))))


def extend(coefficients, start=0, stop=None):
    """Two more coefficients on either side of the first axis, on a straight line.

    Parameters
    ----------
    coefficients : array (n, ...)
    start, stop : int, optional
        The part of the n + 4 that is wanted; all by default.
    """
    number = len(coefficients)
    stop = number + 4 if stop is None else stop
    if number == 1:
        return np.stack([coefficients[0]] * 5)[start:stop]
    parts = [coefficients[max(start - 2, 0):max(stop - 2, 0)]]
    if start < 2:
        first = coefficients[0]
        step = first - coefficients[1]
        parts.insert(0, np.stack([first + (step + step), first + step])[start:stop])
    if stop > number + 2:
        last = coefficients[-1]
        end = last - coefficients[-2]
        beyond = number + 2
        parts.append(np.stack([last + end, last + (end + end)])[max(start - beyond, 0):stop - beyond])
    return np.concatenate(parts) if len(parts) > 1 else parts[0]
