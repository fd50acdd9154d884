"""Cubic B-splines over a star's 13 x 13 px, in which the correction to the official PRF is written."""

from __future__ import annotations

from functools import cache

import numpy as np

from photometry.algorithms.prf import CORE
from photometry.algorithms.prf_samples import filtered

INTERVALS = 3 * CORE
KNOT = CORE / INTERVALS
"""Distance of the knots, px: images of stars hold up to 1 cycle a pixel, of which splines 0.5 px
apart lose so much that the flux of bright stars follows their motion."""

COUNT = INTERVALS + 3
"""Splines along an axis."""

SIZE = COUNT ** 2
"""Splines in the plane."""

OVERSAMPLE = 9
PHASES = 9


def taps(offset, intervals=INTERVALS):
    """Splines that do not vanish at some distances from the star, along one axis.

    Parameters
    ----------
    offset : array (...)
        Pixel less star, px; clipped to the support.
    intervals : int
        Of the splines over the 13 px.

    Returns
    -------
    first : integer array (...)
        First of four neighbouring splines.
    weights : array (3, ..., 4)
        Their values, slopes by the offset and curvatures.
    """
    knot = CORE / intervals
    place = (np.asarray(offset, dtype='f8') + CORE / 2) / knot
    first = np.clip(np.floor(place).astype(int), 0, intervals - 1)
    part = np.clip(place - first, 0, 1)
    rest = 1 - part
    value = np.stack([rest ** 3, 4 - 3 * part ** 2 * (1 + rest), 4 - 3 * rest ** 2 * (1 + part),
                      part ** 3], axis=-1) / 6
    slope = np.stack([-rest ** 2, part * (3 * part - 4), -rest * (3 * rest - 4), part ** 2], axis=-1) / 2
    curvature = np.stack([rest, 3 * part - 2, 3 * rest - 2, part], axis=-1)
    return first, np.stack([value, slope / knot, curvature / knot ** 2])


def matrix(offset, intervals=INTERVALS):
    """Values of all splines at some distances, (n, intervals + 3)."""
    first, weights = taps(offset, intervals)
    made = np.zeros((np.size(offset), intervals + 3))
    np.put_along_axis(made, first[:, None] + np.arange(4), weights[0], axis=1)
    return made


@cache
def sample_matrix(intervals=INTERVALS):
    """Splines at the samples of a PRF along one axis, (117, intervals + 3)."""
    side = CORE * OVERSAMPLE
    return matrix((np.arange(side) - side // 2) / OVERSAMPLE, intervals)


@cache
def _inverse():
    return np.linalg.pinv(sample_matrix())


def to_samples(coefficients):
    """Samples (..., 117, 117) of splines with coefficients (..., SIZE)."""
    square = coefficients.reshape(*coefficients.shape[:-1], COUNT, COUNT)
    return sample_matrix() @ square @ sample_matrix().T


def from_axis(values):
    """Coefficients (COUNT, n) that come nearest to values at the samples along one axis, (117, n)."""
    return _inverse() @ values


@cache
def coarse_axis(intervals):
    """Splines that make up each of fewer ones along an axis, (COUNT, intervals + 3)."""
    return from_axis(sample_matrix(intervals))


def from_samples(samples):
    """Coefficients (..., SIZE) that come nearest to samples (..., 117, 117)."""
    made = _inverse() @ samples @ _inverse().T
    return made.reshape(*made.shape[:-2], SIZE)


@cache
def phase_sums():
    """Sum of each spline over the 13 x 13 px, at phases of the star: (PHASES ** 2, SIZE)."""
    phase = (np.arange(PHASES) - PHASES // 2) / PHASES
    pixel = np.arange(CORE) - CORE // 2
    sums = matrix((phase[:, None] + pixel).ravel()).reshape(PHASES, CORE, COUNT).sum(axis=1)
    return np.einsum('ai,bj->abij', sums, sums).reshape(PHASES ** 2, SIZE)


def design(row, column, flux, stamp, blur=(0.0, 0.0, 0.0)):
    """Light that every spline would give stars in the pixels of a stamp.

    Parameters
    ----------
    row, column, flux : arrays (n,)
    stamp : photometry.core.stamp.Stamp
    blur : tuple
        Variance of the motion in rows, its covariance, its variance in columns, px^2: the
        image is the mean over the motion, up to the second order.

    Returns
    -------
    scipy.sparse.csr_matrix (pixels, SIZE)
    """
    terms = [(flux, 0, 0)]
    if any(blur):
        terms += [(flux * blur[0] / 2, 2, 0), (flux * blur[1], 1, 1), (flux * blur[2] / 2, 0, 2)]
    return _light(row, column, stamp, terms)


def design_along(row, column, flux, stamp, direction):
    """Change of the light of `design` when the stars move along a direction, to the first order.

    Parameters
    ----------
    row, column, flux, stamp
        As for `design`.
    direction : array (n, 2)
        Rows and columns by which each star moves.
    """
    # the distance of a pixel falls when the star moves towards it
    return _light(row, column, stamp, [(-flux * direction[:, 0], 1, 0), (-flux * direction[:, 1], 0, 1)])


def _light(row, column, stamp, terms):
    """Sum of terms (factor a star, order of the derivative by rows, by columns), (pixels, SIZE) sparse."""
    from scipy import sparse
    rows, down = _axis(row, stamp.row_min, stamp.height)
    columns, right = _axis(column, stamp.col_min, stamp.width)
    (first_row, r), (first_column, c) = taps(down), taps(right)
    value = sum(np.einsum('n,nka,nmb->nkmab', factor, r[m], c[n]) for factor, m, n in terms)
    step = np.arange(4)
    spline = ((first_row[:, :, None, None, None] + step[:, None]) * COUNT
              + first_column[:, None, :, None, None] + step)
    pixel = np.where((rows >= 0)[:, :, None] & (columns >= 0)[:, None, :],
                     rows[:, :, None] * stamp.width + columns[:, None, :], -1)
    pixel = np.broadcast_to(pixel[..., None, None], value.shape)
    kept = pixel >= 0
    shape = stamp.height * stamp.width, SIZE
    return sparse.coo_matrix((value[kept], (pixel[kept], spline[kept])), shape).tocsr()


def _axis(position, start, length):
    """Pixels (n, 13) of the stars' cores in a stamp, -1 outside, and their distances from the stars."""
    nearest = np.floor(position + 0.5).astype(int)
    pixel = nearest[:, None] + np.arange(CORE) - CORE // 2
    inside = (pixel >= start) & (pixel < start + length)
    return np.where(inside, pixel - start, -1), pixel - position[:, None]


def blurred(samples, blur):
    """Samples (places, n, n) as a mean image shows them whose stars move with a Gaussian scatter.

    Parameters
    ----------
    samples : array
    blur : tuple
        As for `design`.
    """
    if not any(blur):
        return samples

    def damping(row, column):
        return np.exp(-(blur[0] * row ** 2 + 2 * blur[1] * row * column + blur[2] * column ** 2) / 2)
    return filtered(samples, OVERSAMPLE, damping)
