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


def sums(pixels, mask, weights, stamp):
    """Plain and weighted sum over a mask with its centre of light, in one go and in float64.

    Parameters
    ----------
    pixels : float64 ndarray (n, times)
        Those of the mask, in its order.
    mask : ndarray (rows, columns) of bool
    weights : ndarray (rows, columns)
    stamp : Stamp
        Place of the mask on the CCD.

    Returns
    -------
    Sums
    """
    rows, columns = np.nonzero(mask)
    level = rows.mean(), columns.mean()
    design = np.ones((4, rows.size))
    design[1], design[2], design[3] = weights[mask], rows - level[0], columns - level[1]
    with np.errstate(invalid='ignore', divide='ignore', over='ignore'):
        plain, weighted, down, right = design @ pixels
        light = np.where(plain > 0, plain, np.nan)
        row, column = down / light, right / light
    return Sums(plain, weighted, row + (stamp.row_min + level[0]), column + (stamp.col_min + level[1]))


def errors(cube, mask, weights):
    """Standard errors (plain, weighted) of such sums when pixels are independent, (times,) each."""
    square = np.square(cube[mask], dtype='float64')
    design = np.ones((2, len(square)))
    np.square(weights[mask], out=design[1])
    return np.sqrt(design @ square)


def common_error(cube, weights):
    """What errors that all pixels of a cadence have in common add to the error of a sum, (times,).

    Parameters
    ----------
    cube : ndarray (rows, columns, times)
        Such errors, a part of those that the pixels are said to have one by one.
    weights : ndarray (rows, columns)
        A mask, or weights that are zero outside of one.
    """
    mask = weights != 0
    values, weight = cube[mask].astype('float64'), weights[mask].astype('float64')
    return np.sqrt(np.maximum(np.square(weight @ values) - np.square(weight) @ np.square(values), 0.0))


def step_noise(values):
    """Noise of a series whose true values change slowly, from its steps.

    Parameters
    ----------
    values : ndarray (times,)

    Returns
    -------
    float
    """
    return 1.4826 * metrics.median(metrics.finite(np.abs(values[1:] - values[:-1]))) / np.sqrt(2)


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
