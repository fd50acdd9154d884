"""Sums over an aperture as time series, with the light that enters and leaves it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.algorithms import metrics


def sum_pixels(cube, weights):
    """Weighted sum over the pixels of a mask, in float64.

    Parameters
    ----------
    cube : ndarray (rows, columns, times)
    weights : ndarray (rows, columns)
        A mask, or weights that are zero outside of one.

    Returns
    -------
    ndarray (times,)
        NaN where a pixel of the mask is.
    """
    mask = weights != 0
    return weights[mask].astype('float64') @ cube[mask].astype('float64')


def sum_errors(cube, weights):
    """Standard error of such a sum when the pixels are independent, (times,)."""
    mask = weights != 0
    return np.sqrt(weights[mask].astype('float64') ** 2 @ cube[mask].astype('float64') ** 2)


def optimal_weights(target, variance, mask, merged=None):
    """Weights in a mask that make the noise of the star's flux least.

    Signal over variance (Naylor 1998, MNRAS 296, 339), scaled to a maximum of 1:
    equal where the star's own photons rule, falling towards the rim for faint stars.

    Parameters
    ----------
    target, variance : ndarray (rows, columns)
        Expected light and variance of the pixels.
    mask : ndarray (rows, columns) of bool
    merged : ndarray (rows, columns) of bool, optional
        Pixels among which charge runs, such as a bleed trail: they weigh the same.

    Returns
    -------
    ndarray (rows, columns)
        Zero outside of the mask.
    """
    weights = np.where(mask, target, 0.0) / np.where(mask, variance, 1.0)
    together = mask & merged if merged is not None else np.zeros_like(mask)
    if together.any():
        weights[together] = target[together].sum() / variance[together].sum()
    return weights / weights.max()


def centroid(cube, mask, stamp):
    """Centre of light in a mask.

    Returns
    -------
    row, column : ndarray (times,)
        Zero-based CCD positions; NaN where the light in the mask is not positive.
    """
    rows, columns = np.nonzero(mask)
    pixels = cube[mask].astype('float64')
    total = pixels.sum(axis=0)
    total = np.where((total > 0) & np.isfinite(total), total, np.nan)
    pixels = np.where(np.isfinite(total), pixels, np.nan)
    return ((rows + stamp.row_min) @ pixels / total, (columns + stamp.col_min) @ pixels / total)


def any_flag(flags, mask):
    """Bits that any pixel of a mask has, (times,) int32."""
    return np.bitwise_or.reduce(flags[mask], axis=0).astype('int32')


@dataclass(frozen=True)
class LocalSky:
    """What the sky around a star tells about the background that was subtracted.

    Attributes
    ----------
    change : ndarray (times,)
        Expected error of the background against its own mean, e-/s a pixel: the measured
        one times ``trust``.
    error : ndarray (times,)
        Standard error that is left after its correction, e-/s a pixel.
    trust : float
        Part of the measured variance that is more than noise, 0 to 1.
    """

    change: np.ndarray
    error: np.ndarray
    trust: float


def local_sky(images, errors, pixels, good):
    """Error of the background in each cadence, from pixels with hardly any starlight.

    The mean over the pixels has a noise of its own, so that only the part of its
    variance that exceeds that noise is believed (a Wiener filter). Means over time do
    not enter: what stars leave in these pixels is constant.

    Parameters
    ----------
    images, errors : ndarray (rows, columns, times)
    pixels : ndarray (rows, columns) of bool
    good : ndarray (times,) of bool
        Cadences from which mean and variance are taken.

    Returns
    -------
    LocalSky
    """
    values, sigma = images[pixels].astype('float64'), errors[pixels].astype('float64')
    number = max(len(values), 1)
    change, square = values.sum(axis=0), np.einsum('pt,pt->t', sigma, sigma)
    if np.isfinite(change[good]).all() and np.isfinite(square[good]).all():
        change = change / number - np.mean(change[good]) / number
    else:
        change, square, number = _gappy_sky(values, sigma, good)
    noise = np.sqrt(square) / number
    typical = np.nanmedian(noise[good]) if good.any() else np.nan
    spread = metrics.mad(change[good])
    trust = max(0.0, 1 - (typical / spread) ** 2) if spread > 0 else 0.0
    if not np.isfinite(trust):
        trust = 0.0
    known = np.isfinite(change) & np.isfinite(noise)
    return LocalSky(np.where(known, trust * change, 0.0),
                    np.where(known, np.sqrt(trust) * noise, 0.0), trust)


def _gappy_sky(values, sigma, good):
    """(change, summed variance, pixels) a cadence where some pixels hold no number.

    Every pixel is compared with its own mean, so that one that comes and goes makes no step.
    """
    valid = np.isfinite(values) & np.isfinite(sigma)
    number = np.maximum(valid.sum(axis=0), 1)
    times = np.maximum((valid & good).sum(axis=1), 1)
    mean = np.where(valid & good, values, 0.0).sum(axis=1) / times
    change = np.where(valid, values - mean[:, None], 0.0).sum(axis=0) / number
    seen = valid.any(axis=0)
    level = change[seen & good].mean() if (seen & good).any() else np.nan
    return np.where(seen, change - level, np.nan), (np.where(valid, sigma, 0.0) ** 2).sum(axis=0), number


TRIMMED_MEAN = 1.0264
"""Standard deviation of the mean of ten normal reads without their extremes, over that
of the plain mean of all ten (from the covariance of normal order statistics)."""


def clipping_gain(n_readout, num_frm, clipped):
    """True noise of a frame over what the mission's uncertainties say.

    They count the photons and reads that are kept; but dropping the smallest
    and the largest of ten loses hardly any information: the mean of the other
    eight is only 2.6 % noisier than that of all ten.

    Parameters
    ----------
    n_readout, num_frm : int
        Reads kept and reads taken.
    clipped : bool
        Whether cosmic rays were mitigated on board.
    """
    if not clipped or not 0 < n_readout < num_frm:
        return 1.0
    return TRIMMED_MEAN * (n_readout / num_frm) ** 0.5


NODE_SPACING = 0.03
"""Displacements at which the light in a mask is computed, px; a third of a PRF sample."""


FAR = 0.5
"""Displacement beyond which a frame is computed by itself, px: such frames are few (a lost
guide star), and a grid as wide as they lie apart would have too many nodes."""


def moving_fraction(render, row, column, down, right, weights):
    """Part of stars' light that a weighted sum holds while they move together.

    The sum is a smooth function of the displacement; it is
    computed on a grid that spans the motion and interpolated by cubic splines,
    so that hardly any frame is rendered by itself.

    Parameters
    ----------
    render : callable
        ``render(row, column) -> (n, rows, columns)``, as `PRF.render` on the stamp.
    row, column : ndarray (stars,)
        Mean positions.
    down, right : ndarray (times,)
        Displacement from them, px.
    weights : ndarray (rows, columns)
        A mask, or weights that are zero outside of one.

    Returns
    -------
    ndarray (stars, times)
    """
    mask = weights != 0
    inside = weights[mask].astype('float64')

    def held(rows, columns):
        return render(rows.ravel(), columns.ravel())[:, mask] @ inside

    near = (np.abs(down) <= FAR) & (np.abs(right) <= FAR)
    fraction = np.empty((row.size, down.size))
    fraction[:, near] = _interpolated(held, row, column, down[near], right[near])
    for frame in np.flatnonzero(~near):
        fraction[:, frame] = held(row + down[frame], column + right[frame])
    return fraction


def _interpolated(held, row, column, down, right):
    """The same where displacements are small, by way of a grid."""
    (rows, weight_down), (columns, weight_right) = _nodes(down), _nodes(right)
    grid_row = np.repeat(row[:, None] + rows, columns.size, axis=1)
    grid_column = np.tile(column[:, None] + columns, (1, rows.size))
    values = held(grid_row, grid_column).reshape(row.size, rows.size, columns.size)
    return np.einsum('nat,ta->nt', values @ weight_right.T, weight_down)


def _nodes(shift):
    """Displacements to compute at, with the weights (times, nodes) that lead to each frame."""
    from scipy.interpolate import make_interp_spline
    extent = max(np.abs(shift).max(initial=0.0), 0.005)
    number = 2 * int(np.ceil(extent / NODE_SPACING)) + 1
    nodes = np.linspace(-extent, extent, number)
    return nodes, make_interp_spline(nodes, np.eye(number), k=min(3, number - 1))(shift)
