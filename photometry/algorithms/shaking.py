"""What errors of the PRF take from bright stars, told by how these follow the motion from frame to frame."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import metrics
from photometry.algorithms.pointing import motion_terms

LIKELY = np.array([3e-4, 3e-4, 4e-3, 4e-3, 4e-3])
"""Standard deviations of the change of the flux, over the flux, by a shift of 1 px along rows and
columns, and by half its squares: what fits of images that are not quite those of the PRF leave."""

CORRELATED = 70 / 36
"""Variance of a slope in second differences of white noise over that were they independent."""

OUTLIER = 4.0
ROUNDS = 3
LEAST_FRAMES = 60


def shaken(flux, shift, good):
    """The part of light curves that follows the motion from frame to frame.

    Stars change slowly from frame to frame or by noise of their own, and the pointing knows nothing
    of either. Slopes follow from second differences of flux and motion alone, with a prior of
    what an error of the PRF may do: where the spacecraft moves slowly, nothing is taken.

    Parameters
    ----------
    flux : ndarray (stars, times)
        Over the level.
    shift : ndarray (times, 2)
        px.
    good : ndarray (times,) of bool
        Frames that count.

    Returns
    -------
    ndarray (stars, times)
        Zero on average over the frames that count, and where the motion is unknown or far.
    """
    (near, terms), made = motion_terms(shift), np.zeros_like(flux)
    for star, values in enumerate(flux):
        used = np.flatnonzero(near & good & np.isfinite(values))
        if used.size >= LEAST_FRAMES:
            mine = terms - terms[:, used].mean(axis=1, keepdims=True)
            made[star] = np.where(near, _slopes(values[used], mine[:, used]) @ mine, 0.0)
    return made


def _slopes(values, terms):
    """Changes by each term, (5,), from second differences without outliers."""
    bends, steps = np.diff(values, 2), np.diff(terms, 2, axis=1)
    found, kept = np.zeros(len(terms)), np.ones(bends.size, dtype=bool)
    for _ in range(ROUNDS):
        rest = bends - found @ steps
        scatter = metrics.mad(rest[kept])
        if not scatter > 0:
            return np.zeros(len(terms))
        kept = np.abs(rest) < OUTLIER * scatter
        some = steps[:, kept]
        normal = some @ some.T / (CORRELATED * scatter ** 2) + np.diag(LIKELY ** -2.0)
        found = np.linalg.solve(normal, some @ bends[kept] / (CORRELATED * scatter ** 2))
    return found
