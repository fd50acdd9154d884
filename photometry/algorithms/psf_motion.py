"""What a star moves beside the measured motion: a slow trend, and a scatter about it."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import metrics

TREND_TERMS = 4
"""Legendre polynomials of the slow motion."""

SEEMING = 2e-3
"""What stars seem to move because their PRF is not known well enough, px: some percent of the motion. Only
what exceeds it is believed."""

LEAST_FRAMES = 30
"""Frames with a place from which motion of its own is learned."""


def own_motion(free, away, good, motion_error):
    """Slow motion of a star beside the measured one, (2, times), and the scatter about it, (2,).

    Legendre polynomials in time, each shrunk by the part of its square that noise explains; the
    scatter is the error of the motion with what the star moves beyond its own noise. What stars only
    seem to move, since their PRF is not known well enough, is left out of both.
    """
    trend, wander = np.zeros_like(away), np.full(2, float(motion_error))
    known = good & free.found
    if known.sum() < LEAST_FRAMES:
        return trend, wander
    basis = np.polynomial.legendre.legvander(np.linspace(-1, 1, good.size), TREND_TERMS - 1)
    for axis in (0, 1):
        variance = free.covariance[axis + 1, axis + 1]
        keep = known & _inliers(away[axis], variance, known)
        weight = 1 / (variance[keep] + _excess(away[axis][keep], variance[keep]))
        trend[axis] = basis @ _shrunk(basis[keep], away[axis][keep], weight)
        rest = (away[axis] - trend[axis])[keep]
        excess = max(_excess(rest, variance[keep]) - SEEMING ** 2, 0.0)
        wander[axis] = np.hypot(motion_error, np.sqrt(excess))
    return trend, wander


def believed(free, away, trend, wander):
    """Displacement beside the motion, (2, times), as far as it exceeds its noise."""
    variance = np.stack([free.covariance[1, 1], free.covariance[2, 2]])
    part = wander[:, None] ** 2 / (wander[:, None] ** 2 + variance)
    return np.where(free.found, trend + part * (away - trend), trend)


def _inliers(values, variance, known):
    """Values within 6 standard deviations of the median."""
    middle = np.median(values[known])
    spread = max(metrics.mad(values[known]) ** 2, 1e-300)
    return np.abs(values - middle) < 6 * np.sqrt(np.maximum(variance, spread))


def _excess(values, variance):
    """Variance of values beyond their own errors, at least 0."""
    typical = float(np.median(variance))
    return max(metrics.mad(values / np.sqrt(variance)) ** 2 - 1, 0.0) * typical


def _shrunk(basis, values, weight):
    """Coefficients of a weighted fit, each as far as it exceeds its error and what stars seem to move."""
    normal = (basis.T * weight) @ basis
    upper = np.linalg.cholesky(normal).T
    rotated = np.linalg.solve(upper.T, basis.T @ (weight * values))  # unit errors, independent
    doubt = 1 + SEEMING ** 2 * (upper ** 2).sum(axis=1)
    return np.linalg.solve(upper, rotated * np.maximum(1 - doubt / np.maximum(rotated ** 2, 1e-300), 0))
