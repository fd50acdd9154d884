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

PERIODS = (1.5, 3.0, 8.0)
LEAST_SIGNAL = 3.0
"""How often the waves of a signal go round in the data that tells what is kept of real
changes, and their amplitude at least, over the noise."""

KEPT = 0.98
HARM = 0.5
"""Part that must be left of them, else the most that may be lost, over noise or what is taken away."""

NARROWER = (1.0, 0.1)
"""Parts of the expected slopes that are tried in turn until signals outlive it."""

LENGTH = 0.3
"""Motion over which the slopes of a star's image change, px: sizes higher powers of it."""


def cleaned(flux, time, shift, frames, error, slope):
    """A light curve less what motion leaves in it where the star's image is badly known.

    Of a sum over bleeding charge a few parts in a million are photon noise, less than models of
    images are good to: the errors of their slopes and curvatures are fitted to the light curve
    beside the star's own variability.

    Parameters
    ----------
    flux : ndarray (times,)
        e-/s.
    time : ndarray (times,)
        Days.
    shift : ndarray (times, 2)
        Motion, px.
    frames : ndarray (times,) of bool
        Good ones.
    error : float
        Expected noise, e-/s.
    slope : float
        Expected change of the flux by motion of a pixel, as a part of it.

    Returns
    -------
    flux : ndarray (times,)
        As it was where slow signals would suffer more from that than they gain.
    kept : float
        Part of such a signal that is left; 1 where nothing was taken away.
    """
    used = frames & np.isfinite(flux) & np.isfinite(shift).all(axis=1)
    if used.sum() < 2 * FRAMES_A_WAVE:
        return flux, 1.0
    level, powers = abs(np.median(flux[used])), _powers(shift, used)
    for part in NARROWER:
        basis = part * slope * level * powers
        taken, lost, kept = _taken(flux[used], time[used], basis[used], error)
        if kept >= KEPT or lost < HARM * max(error, float(np.std(basis[used] @ taken))):
            return flux - basis @ taken, kept
    return flux, 1.0


def _taken(flux, time, basis, error):
    """Motion terms, most that is lost of the waves of a signal, and the part of it that is kept."""
    phase = 2 * np.pi * (time - time[0]) / max(np.ptp(time), 1e-9)
    waves = np.stack([np.sin(number * phase) for number in PERIODS], axis=1)
    # Signals of the size of what motion may leave are the hardest to tell from it.
    amplitude = max(LEAST_SIGNAL * error, float(np.std(basis[:, :2])))
    doubt = np.eye(basis.shape[1])
    plain, changed = (leftover(values, time, basis, doubt, error)
                      for values in (flux, flux + amplitude * waves.sum(axis=1)))
    lost = float(np.abs(np.linalg.lstsq(waves, basis @ (changed - plain), rcond=None)[0]).max())
    return plain, lost, 1 - lost / amplitude


def _powers(shift, used):
    """Powers of the motion, their means over some frames zero, held at their range: (times, 9), px."""
    low, high = shift[used].min(axis=0), shift[used].max(axis=0)
    row, column = ((np.clip(shift, low, high) - shift[used].mean(axis=0)) / LENGTH).T
    made = LENGTH * np.stack([row ** (order - power) * column ** power
                              for order in (1, 2, 3) for power in range(order + 1)], axis=1)
    return np.nan_to_num(made - made[used].mean(axis=0))


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
