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


@dataclass(frozen=True)
class Sums:
    """Outcome of `sums`: (times,) each.

    Attributes
    ----------
    plain, weighted : ndarray
        e-/s; NaN where a pixel of the mask is.
    row, column : ndarray
        Centre of light, zero-based on the CCD; NaN where the light is not positive.
    """

    plain: np.ndarray
    weighted: np.ndarray
    row: np.ndarray
    column: np.ndarray


def sums(cube, mask, weights, stamp):
    """Plain and weighted sum over a mask with its centre of light, in one go and in float64.

    Parameters
    ----------
    cube : ndarray (rows, columns, times)
    mask : ndarray (rows, columns) of bool
    weights : ndarray (rows, columns)
    stamp : Stamp
        Place of the cube on the CCD.

    Returns
    -------
    Sums
    """
    rows, columns = np.nonzero(mask)
    level = rows.mean(), columns.mean()
    design = np.stack([np.ones(rows.size), weights[mask], rows - level[0], columns - level[1]])
    with np.errstate(invalid='ignore', divide='ignore', over='ignore'):
        plain, weighted, down, right = design @ cube[mask].astype('float64')
        light = np.where(plain > 0, plain, np.nan)
        row, column = down / light, right / light
    return Sums(plain, weighted, row + (stamp.row_min + level[0]), column + (stamp.col_min + level[1]))


def errors(cube, mask, weights):
    """Standard errors (plain, weighted) of such sums when pixels are independent, (times,) each."""
    design = np.stack([np.ones(int(mask.sum())), np.square(weights[mask], dtype='float64')])
    return np.sqrt(design @ np.square(cube[mask], dtype='float64'))


def step_noise(values):
    """Noise of a series whose true values change slowly, from its steps.

    Parameters
    ----------
    values : ndarray (times,)

    Returns
    -------
    float
    """
    return 1.4826 * metrics.median(metrics.finite(np.abs(np.diff(values)))) / np.sqrt(2)


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


ENOUGH = 24
"""Pixels from which the noise of the sky is taken: it hardly differs from one to the next."""


def local_sky(images, errors, pixels, good, gain=1.0):
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
    gain : float
        True noise over ``errors``.

    Returns
    -------
    LocalSky
    """
    values = images[pixels]
    number = max(len(values), 1)
    # Single precision is enough: of a hundred numbers around zero it loses 1e-6.
    change = (np.ones(len(values), dtype=values.dtype) @ values).astype('float64')
    some = np.flatnonzero(pixels)[::max(number // ENOUGH, 1)]
    sigma = errors.reshape(-1, errors.shape[-1])[some]
    square = np.einsum('pt,pt->t', sigma, sigma).astype('float64') * (number / max(len(some), 1))
    if np.isfinite(change[good]).all() and np.isfinite(square[good]).all():
        change = change / number - np.mean(change[good]) / number
    else:
        change, square, number = _gappy_sky(values.astype('float64'), errors[pixels].astype('float64'), good)
    noise = gain * np.sqrt(square) / number
    typical, spread = metrics.median(metrics.finite(noise[good])), metrics.mad(change[good])
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
