"""Light of the wings of many stars at once, by Fourier transforms."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from photometry.algorithms.prf import HALF, Wing

RADIUS = 60
"""Where wings end, px."""


class WingImages:
    """Wings of the stars in and around a stamp, for any power law.

    A star stands on its nearest pixel; the rest of the way is taken by an
    expansion to the second order, which errs by less than 1e-3 of the wing.

    Parameters
    ----------
    row, column, flux : arrays (n,)
        Light of the cores, e-/s; stars too far away to matter may be among them.
    stamp : photometry.core.stamp.Stamp
    """

    def __init__(self, row, column, flux, stamp):
        from scipy import fft
        self.stamp = stamp
        canvas = stamp.grown(*[RADIUS] * 4)
        near = np.array([np.floor(axis + 0.5).astype(int) for axis in (row, column)])
        inside = np.flatnonzero((near[0] >= canvas.row_min) & (near[0] < canvas.row_max)
                                & (near[1] >= canvas.col_min) & (near[1] < canvas.col_max))
        near = near[:, inside]
        down, right = row[inside] - near[0], column[inside] - near[1]
        terms = np.stack([np.ones_like(down), down, right, down ** 2 / 2, down * right, right ** 2 / 2])
        self._shape = tuple(fft.next_fast_len(side + 2 * RADIUS, real=True) for side in canvas.shape)
        light = np.zeros((6, *self._shape))
        for image, term in zip(light, terms * flux[inside], strict=True):
            np.add.at(image, (near[0] - canvas.row_min, near[1] - canvas.col_min), term)
        self._light = fft.rfft2(light)

    def image(self, exponent):
        """Light in the pixels of the stamp, were every star to have all its light in the wing."""
        return self._cut(np.einsum('kij,kij->ij', self._light, _transforms(float(exponent), self._shape)))

    def changes(self, exponent):
        """What `image` changes when all stars move by 1 px, (2, rows, columns): in rows, in columns."""
        value = _transforms(float(exponent), self._shape)
        # derivatives of the expansion: of each term the one before
        return np.stack([self._cut(np.einsum('kij,kij->ij', self._light[:3], value[list(orders)]))
                         for orders in ((1, 3, 4), (2, 4, 5))])

    def _cut(self, transform):
        from scipy import fft
        made = fft.irfft2(transform, self._shape)
        start = 2 * RADIUS
        return made[start:start + self.stamp.height, start:start + self.stamp.width]


@lru_cache(maxsize=4)
def _transforms(exponent, shape):
    """Fourier transforms of a wing and its derivatives; parts of one size share those that are tried."""
    from scipy import fft
    return fft.rfft2(_kernels(exponent), shape)


def _kernels(exponent):
    """A wing and its derivatives by the place of the star: (6, 121, 121)."""
    offset = np.arange(-RADIUS, RADIUS + 1.0)
    down, right = offset[:, None], offset[None]
    square = down ** 2 + right ** 2
    outside = ((abs(down) > HALF) | (abs(right) > HALF)) & (square <= RADIUS ** 2)
    square = np.where(outside, square, 1.0)
    value = np.where(outside, Wing(1.0, exponent, RADIUS).amplitude * square ** (-exponent / 2), 0.0)
    first = exponent * value / square
    second = (exponent + 2) * first / square
    return np.stack([value, first * down, first * right, second * down ** 2 - first,
                     second * down * right, second * right ** 2 - first])
