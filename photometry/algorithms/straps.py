"""Columns that answer more strongly to the sky than their neighbours: straps behind the CCD."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import boxes

PRIOR = 0.2
"""Scatter of the response expected before any data, as a fraction of the sky."""


def responses(data, smooth, columns):
    """Extra response of columns to the smooth background of a frame.

    Parameters
    ----------
    data : array (height, width)
        Frame, e-/s; NaN where a pixel is not to be used.
    smooth : array (height, width)
        Background without straps, e-/s.
    columns : int array (n,)
        Columns of the arrays.

    Returns
    -------
    response, error : float64 arrays (n,)
        The data are smooth * (1 + response); zero where no pixel is usable.
    """
    # columns run in memory as rows do, which medians like
    data = np.array(data.T[columns])
    sky = np.where(np.isfinite(data), smooth.T[columns], np.nan).astype('f8')
    excess = data - sky
    count = np.isfinite(excess).sum(axis=1)
    empty = count == 0
    sky[empty], excess[empty] = 1.0, 0.0
    level = boxes.medians(np.abs(sky))
    # median of ratios, weighted towards bright sky by leaving out the dark half of each column
    dark = (np.abs(sky) < 0.5 * level[:, None]) | (sky == 0)
    ratio = np.where(dark, np.nan, excess / np.where(dark, 1.0, sky))
    ratio[level < 1e-6] = 0.0
    first = boxes.medians(ratio)
    rest = excess - first[:, None] * sky
    sigma = np.maximum(1.4826 * boxes.medians(np.abs(rest)), 1e-6)
    kept = np.abs(rest) < 3 * sigma[:, None]
    sky = np.where(kept, sky, 0.0)
    power = np.einsum('ij,ij->i', sky, sky)
    mean = np.einsum('ij,ij->i', sky, np.where(kept, rest, 0.0)) / np.maximum(power, 1e-12)
    trust = power / (power + 4.57 * sigma**2 / PRIOR**2)
    crowded = np.abs(mean) > 0.3 * sigma / level.clip(1e-6)
    response = np.where(empty, 0.0, trust * (first - np.where(crowded, 0.0, 1.5 * mean)))
    return response, np.where(empty, PRIOR, np.sqrt(trust) * 2.14 * sigma / np.sqrt(np.maximum(power, 1e-12)))


def find(data, smooth, known=(), significance=5.0, least=0.003, width=129):
    """Columns whose response stands out from that of their surroundings.

    Parameters
    ----------
    data, smooth : arrays (height, width)
        As for `responses`; best a mean of many frames.
    known : int sequence
        Columns found before, left out of the surroundings.
    significance : float
        Least excess in standard errors.
    least : float
        Least excess as a fraction of the sky.
    width : int
        Columns that count as surroundings.

    Returns
    -------
    int array
        Columns of the arrays.
    """
    columns = np.arange(data.shape[1])
    response, error = responses(data, smooth, columns)
    around = response.copy()
    around[np.asarray(known, dtype=int)] = np.nan
    level = _running_median(around, min(width, len(columns) | 1))
    excess = np.abs(response - level)
    return np.flatnonzero((excess > significance * error) & (excess > least))


def _running_median(values, width):
    half = width // 2
    padded = np.pad(values, half, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    empty = ~np.isfinite(windows).any(axis=1)
    return np.where(empty, 0.0, np.nanmedian(np.where(empty[:, None], 0.0, windows), axis=1))
