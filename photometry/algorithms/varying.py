"""Neighbours that vary: what they bring into a sum from cadence to cadence."""

from __future__ import annotations

import numpy as np

WINDOW = 31
"""Cadences over which the size of variations is taken: eclipses come and go."""

VARIES, VARIES_THROUGHOUT = 2.5, 1.3
"""Mean square in units of the noise, in the liveliest window and over all, from which a star counts as
varying; noise alone reaches 2.3 in a window once in a million."""

DOUBT = 0.5
"""Part of the noise's variance that variations must exceed on top, or else noise would be followed."""

WORST = 30.0
"""Condition number of the equations from which a group of stars counts as one image."""


def window_mean(values, counted):
    """Running means over `WINDOW` cadences of those that count, along the last axis."""
    from scipy.ndimage import uniform_filter1d
    total = uniform_filter1d(np.where(counted, values, 0.0), WINDOW, mode='reflect')
    share = uniform_filter1d(counted.astype('float64'), WINDOW, mode='reflect')
    return np.where(share > 0.1, total / np.maximum(share, 0.1), 0.0)


def varies(residual, variance, good):
    """Whether a series is livelier than its noise.

    Parameters
    ----------
    residual, variance : ndarray (times,)
        Series about what is expected of it, and variance of its noise.
    good : ndarray (times,) of bool
    """
    counted = good & np.isfinite(residual) & (variance > 0) & np.isfinite(variance)
    if counted.sum() < WINDOW:
        return False
    square = np.where(counted, residual, 0.0) ** 2 / np.where(counted, variance, 1.0)
    return bool(square[counted].mean() > VARIES_THROUGHOUT or window_mean(square, counted).max() > VARIES)


def deviations(residual, variance, response, good):
    """Changes of the fluxes of some stars, as far as they stand out from noise.

    Parameters
    ----------
    residual, variance : ndarray (stars, times)
        Sums around each star less what is expected of them, with the variance of their noise.
    response : ndarray (stars, stars)
        Light of the star of a column in the sum of a row.
    good : ndarray (times,) of bool

    Returns
    -------
    change, error : ndarray (stars, times)
        Expected change of each flux (a Wiener filter) with its standard error; zero where
        nothing is known. None for both when the sums cannot tell the stars apart.
    """
    scale = np.sqrt(np.abs(np.diag(response)))
    scaled = response / np.where(scale > 0, scale, 1.0)[:, None] / np.where(scale > 0, scale, 1.0)
    if not (scale > 0).all() or np.linalg.cond(scaled) > WORST:
        return None, None
    inverse = np.linalg.inv(response)
    known = np.isfinite(residual).all(axis=0) & np.isfinite(variance).all(axis=0)
    change = inverse @ np.where(known, residual, 0.0)
    noise = np.square(inverse) @ np.where(known, variance, 1.0)
    excess = window_mean(change ** 2 - (1 + DOUBT) * noise, np.broadcast_to(known & good, change.shape))
    signal = np.maximum(excess, 0.0)
    trust = np.where(known, signal / (signal + noise), 0.0)
    return trust * change, np.sqrt(trust * noise)
