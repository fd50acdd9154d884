"""Motion that is left in a light curve, told apart from the star's own variability."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import metrics

MOST_WAVES = 64
FRAMES_A_WAVE = 8
"""Cosines that describe slow variability at most, and frames that each needs."""

ROUNDS = 9
FREEDOM = 4.0
"""Rounds of the fit, and degrees of freedom of its noise."""


def leftover(flux, time, basis, doubt, error):
    """Coefficients of the motion terms that a light curve still holds.

    The light curve is the star's slow variability (cosines, whose power in each octave of
    frequency is learned), the motion terms within their prior, and noise; what
    both could explain is shared by their expected sizes. Frames that fit neither,
    such as transits, weigh little (t distribution).

    Parameters
    ----------
    flux : ndarray (times,)
        e-/s; what is not finite is left out.
    time : ndarray (times,)
        Days.
    basis : ndarray (times, terms)
    doubt : ndarray (terms, terms)
        Prior covariance of the coefficients.
    error : float
        Expected noise, e-/s.

    Returns
    -------
    ndarray (terms,)
    """
    frames = np.isfinite(flux)
    terms = basis.shape[1]
    if not terms or not doubt.any() or frames.sum() < 2 * FRAMES_A_WAVE:
        return np.zeros(terms)
    values = flux[frames] - np.median(flux[frames])
    waves, octave = _waves(time[frames])
    design = np.concatenate([basis[frames], waves, np.ones((values.size, 1))], axis=1)
    noise = max(error, metrics.mad(np.diff(values)) / np.sqrt(2))
    return _evidence(values, design, doubt, octave, noise)


def _waves(time):
    """Cosines over the time, (times, waves) of mean square 1, and the octave of each."""
    number = int(np.clip(time.size // FRAMES_A_WAVE, 2, MOST_WAVES))
    phase = np.pi * (time - time[0]) / max(time[-1] - time[0], 1e-9)
    count = np.arange(1, number + 1)
    return np.sqrt(2) * np.cos(np.outer(phase, count)), np.floor(np.log2(count)).astype(int)


def _evidence(values, design, doubt, octave, noise):
    """Motion terms at the powers of the waves that make the data most likely."""
    terms, size = len(doubt), design.shape[1]
    prior = np.zeros((size, size))
    prior[:terms, :terms] = np.linalg.inv(doubt + 1e-6 * np.trace(doubt) / terms * np.eye(terms)
                                          + 1e-12 * noise ** 2 * np.eye(terms))
    power = np.full(octave.max() + 1, (0.1 * noise) ** 2)
    count = np.bincount(octave)
    vote = np.ones(values.size)
    for number in range(ROUNDS):
        if number % 3 == 0:
            weighted = design * (vote / noise ** 2)[:, None]
            normal, right = weighted.T @ design, weighted.T @ values
        prior[range(terms, size - 1), range(terms, size - 1)] = 1 / power[octave]
        inverse = np.linalg.inv(normal + prior)
        solution = inverse @ right
        wave, doubtful = solution[terms:-1], np.diag(inverse)[terms:-1]
        told = np.maximum(count - np.bincount(octave, doubtful / power[octave]), 1e-3 * count)
        # MacKay's fixed point; the floor keeps an empty octave from being lost for good.
        power = np.maximum(np.bincount(octave, wave ** 2) / told, (1e-3 * noise) ** 2)
        if number % 3 == 2:
            left = values - design @ solution
            vote = (FREEDOM + 1) / (FREEDOM + (left / noise) ** 2)
    return solution[:terms]
