"""Weights of halo pixels that make the total variation of a light curve least."""

from __future__ import annotations

import numpy as np

LAGS = (1, 10)
"""Frames between which the flux is compared: the sharpest and a slower change (White et al. 2017 use one)."""

SMOOTH = 0.3
"""Where the absolute value turns round, over the typical change of the flux."""

STAY = 0.3
"""Strength of the pull towards the weights at the start, in units of the total variation."""

ITERATIONS = 40
MOST_PIXELS = 400


def pairs_of(frames, segment=None, lags=LAGS):
    """Pairs of frames whose fluxes are compared.

    Parameters
    ----------
    frames : ndarray (times,) of bool
        Frames that count.
    segment : ndarray (times,) of int, optional
        Pairs never reach from one segment into another.
    lags : sequence of int
        In frames that count.

    Returns
    -------
    first, second : ndarray (pairs,) of int
    """
    used = np.flatnonzero(frames)
    first, second = [], []
    for lag in lags:
        first.append(used[:-lag] if lag < used.size else used[:0])
        second.append(used[lag:])
    first, second = np.concatenate(first), np.concatenate(second)
    if segment is not None:
        same = segment[first] == segment[second]
        first, second = first[same], second[same]
    return first, second


def total_variation(theta, light, pairs, smooth, start=None, stay=0.0):
    """Mean absolute change of the weighted mean light, with its gradient.

    The weights are the softmax of ``theta``: positive, their sum is 1. The
    absolute value is sqrt(x^2 + smooth^2), which has a gradient at zero.

    Parameters
    ----------
    theta : ndarray (pixels,)
    light : ndarray (pixels, times)
        Light of the pixels, each over its own mean.
    pairs : pair of ndarray (pairs,) of int
    smooth : float
    start : ndarray (pixels,), optional
        Weights towards which a pull of strength ``stay`` (in units of ``smooth``) goes.
    stay : float

    Returns
    -------
    value : float
    gradient : ndarray (pixels,)
    """
    weights = softmax(theta)
    first, second = pairs
    flux = weights.astype(light.dtype) @ light
    change = (flux[second] - flux[first]).astype('float64')
    size = np.sqrt(change ** 2 + smooth ** 2)
    slope = change / size / change.size
    by_time = (np.bincount(second, slope, light.shape[1]) - np.bincount(first, slope, light.shape[1]))
    by_weight = (light @ by_time.astype(light.dtype)).astype('float64')
    value, gradient = size.mean(), weights * (by_weight - weights @ by_weight)
    if start is not None and stay:
        away = np.log(np.maximum(weights, 1e-30)) - np.log(start)
        spread = weights @ away
        value += stay * smooth * spread  # the Kullback-Leibler divergence from the start
        gradient += stay * smooth * weights * (away - spread)
    return float(value), gradient


def softmax(theta):
    """Positive weights whose sum is 1."""
    power = np.exp(theta - theta.max())
    return power / power.sum()


def fit(light, start, pairs, stay=STAY, iterations=ITERATIONS):
    """Weights of least total variation.

    Halo photometry (White et al. 2017, MNRAS 471, 2882): all pixels hold the same
    star, so the weights that make the light curve smoothest suppress what
    differs from pixel to pixel. The pull towards the start keeps them from fitting noise.

    Parameters
    ----------
    light : ndarray (pixels, times)
        Light of the pixels, each over its own mean.
    start : ndarray (pixels,)
        Positive weights.
    pairs : pair of ndarray (pairs,) of int

    Returns
    -------
    ndarray (pixels,)
        Their sum is 1.
    """
    from scipy.optimize import minimize
    start = start / start.sum()
    if not pairs[0].size or start.size < 2:
        return start
    light = np.asarray(light, dtype='float32')
    flux = start.astype('float32') @ light
    typical = float(np.median(np.abs(flux[pairs[1]] - flux[pairs[0]])))
    if not typical > 0:
        return start
    # The light is scaled so that steps are about 1 in the eyes of the optimiser.
    scaled = (light - 1) / np.float32(typical)
    found = minimize(total_variation, np.log(start), (scaled, pairs, SMOOTH, start, stay), jac=True,
                     method='L-BFGS-B', options={'maxiter': iterations, 'maxcor': 10})
    return softmax(found.x)


def fit_segments(light, start, segment, **choices):
    """`fit` for every segment by itself: (segments, pixels).

    Parameters
    ----------
    light, start
        As in `fit`.
    segment : ndarray (times,) of int
        Numbers from 0.
    """
    made = []
    for number in range(int(segment.max()) + 1):
        inside = segment == number
        made.append(fit(light, start, pairs_of(inside), **choices) if inside.any() else start / start.sum())
    return np.stack(made)
