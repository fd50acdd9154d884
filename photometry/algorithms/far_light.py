"""Light of many stars beyond their cores, laid on a region by one convolution."""

from __future__ import annotations

import functools

import numpy as np

from photometry.algorithms.pointing import monomials


def on_region(prf, row, column, flux, stamp, planes=None):
    """Light of stars beyond the 13 x 13 px around each.

    Wings change slowly, so that each is expanded to second order about the
    star's nearest pixel; all are then laid on the region by one convolution.

    Parameters
    ----------
    prf : photometry.algorithms.prf.PRF
    row, column, flux : ndarray (stars,)
    stamp : Stamp
    planes : tuple of {0, 1, 2}, optional
        The light, its derivatives by a motion of all stars in row and in column.

    Returns
    -------
    ndarray (rows, columns) of the light, or (planes, rows, columns)
    """
    if planes is None:
        return on_region(prf, row, column, flux, stamp, (0,))[0]
    from scipy import fft
    if prf.wing is None or not len(flux):
        return np.zeros((len(planes), *stamp.shape))
    reach = int(np.ceil(prf.wing.radius))
    canvas = stamp.grown(reach, reach, reach, reach)
    pixel = [np.floor(axis + 0.5).astype(int) for axis in (row, column)]
    near = ((pixel[0] >= canvas.row_min) & (pixel[0] < canvas.row_max)
            & (pixel[1] >= canvas.col_min) & (pixel[1] < canvas.col_max))
    place = pixel[0][near] - canvas.row_min, pixel[1][near] - canvas.col_min
    shift = np.stack([row[near] - pixel[0][near], column[near] - pixel[1][near]], axis=1)
    size = tuple(fft.next_fast_len(side, real=True) for side in canvas.shape)
    terms = monomials(shift)[:6 if 0 in planes else 3] * flux[near]
    points, rows = _points_transform(*place, terms, size), slice(reach, reach + stamp.height)
    made = []
    for plane in planes:
        kernels = ((0, 1, 2, 3, 4, 5), (1, 3, 4), (2, 4, 5))[plane]
        total = sum(part * _kernel_transform(prf.wing, size, kernel)
                    for part, kernel in zip(points, kernels, strict=False))
        # Only the rows of the region are transformed back as a whole.
        total = fft.ifft(total, axis=0, norm='forward')[rows]
        made.append(fft.irfft(total, size[1], norm='forward')[:, reach:reach + stamp.width])
    return np.stack(made) * np.float32(1 / (size[0] * size[1]))


def _points_transform(row, column, weights, size):
    """Transforms of images that are dark but for some pixels, (n, rows, columns // 2 + 1) complex64.

    Rows without any such pixel, most of them, are transformed along the columns alone.

    Parameters
    ----------
    row, column : ndarray (pixels,) of int
    weights : ndarray (n, pixels)
        Light of these pixels, added up where one is named twice.
    size : tuple of int
        Rows and columns.
    """
    from scipy import fft
    lines, line = np.unique(row, return_inverse=True)
    number, length = len(weights), lines.size * size[1]
    place = (np.arange(number)[:, None] * length + line * size[1] + column).ravel()
    lit = np.bincount(place, weights=weights.ravel(), minlength=number * length).astype('float32')
    made = np.zeros((number, size[0], size[1] // 2 + 1), dtype='complex64')
    made[:, lines] = fft.rfft(lit.reshape(number, lines.size, size[1]))
    return fft.fft(made, axis=1, overwrite_x=True)


@functools.lru_cache(maxsize=8)
def _wing_images(wing):
    """Wing of a star in the middle of a pixel with its derivatives: (6, side, side)."""
    reach = int(np.ceil(wing.radius))
    pixel = np.arange(-reach, reach + 1)[None]
    return wing.render(np.zeros(1), np.zeros(1), pixel, pixel, derivatives=2)[:, 0]


@functools.lru_cache(maxsize=64)
def _kernel_transform(wing, size, number):
    """Transform of such an image, its middle at the first place of the array."""
    from scipy import fft
    image = _wing_images(wing)[number]
    reach = image.shape[0] // 2
    rolled = np.zeros(size, dtype='float32')
    # The canvas is wider than the region by the reach of a wing on each side: what is
    # wrapped around lands on it alone.
    span = [np.arange(-reach, reach + 1) % side for side in size]
    np.add.at(rolled, np.ix_(*span), image.astype('float32'))
    return fft.rfft2(rolled)
