"""Runs of successive frames, of which a cube whose time runs last holds each pixel's in one piece."""

from __future__ import annotations

import numpy as np

RUNS, RUN = 5, 8
"""Runs of cadences that tell the typical variance, and how many those hold: the sky changes
slowly, and neighbours in time are neighbours in memory, which is what a look costs."""


def taken(cube, frames):
    """Some frames of a cube, run by run: in a sixth of the time of an index.

    Parameters
    ----------
    cube : ndarray (rows, columns, times)
    frames : ndarray (n,) of int
        Ascending.

    Returns
    -------
    ndarray (rows, columns, n)
    """
    if not frames.size:
        return cube[..., :0]
    ends = np.flatnonzero(np.diff(frames) != 1) + 1
    return np.concatenate([cube[..., run[0]:run[-1] + 1] for run in np.split(frames, ends)], axis=-1)


def typical_variance(errors, good):
    """Typical variance of a pixel in one cadence.

    The mean over good cadences, of some evenly chosen runs where there are many.

    Parameters
    ----------
    errors : ndarray (rows, columns, times)
        e-/s.
    good : ndarray (times,) of bool

    Returns
    -------
    ndarray (rows, columns)
        (e-/s)^2; infinite where none of these cadences has an error.
    """
    some = _samples(np.flatnonzero(good))
    square = np.square(taken(errors, some), dtype='float64')
    mean = square.mean(axis=-1) if some.size else np.full(errors.shape[:2], np.nan)
    if not np.isfinite(mean).all():
        mean = _mean_finite(square)
    return np.where(mean > 0, mean, np.inf)


def _samples(good):
    """Some of the numbers of good cadences, in runs."""
    if good.size <= RUNS * RUN:
        return good
    starts = np.linspace(0, good.size - RUN, RUNS).astype(int)
    return good[(starts[:, None] + np.arange(RUN)).ravel()]


def _mean_finite(cube):
    """Mean over time of what is finite; infinite where nothing is."""
    valid = np.isfinite(cube)
    number = valid.sum(axis=-1)
    total = np.where(valid, cube, 0).sum(axis=-1)
    return np.where(number > 0, total / np.maximum(number, 1), np.inf)
