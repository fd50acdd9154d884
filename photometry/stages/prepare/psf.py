"""The effective PRF of a cube, learned when its sum image and its movement stand."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import epsf, epsf_few, epsf_slopes, motion
from photometry.algorithms.prf import PRF, Wing
from photometry.files.cube_psf import LearnedPRF
from photometry.files.prf import load_prf


def places(limits, key):
    """Rows and columns for which a PRF may be learned; None where the pixels are too few."""
    if min(limits.shape) < epsf_few.LEAST_SIDE:
        return None
    found = epsf.surrounding(load_prf(*key), limits)
    return found.row, found.column


def learn(writer, sumimage, moved, known, good) -> LearnedPRF | None:
    """The effective PRF as the cube keeps it; None where nothing better than the official one is learned.

    Parameters
    ----------
    writer : photometry.files.cube_writer.CubeWriter
        With all blocks written.
    sumimage : array (rows, columns)
    moved : photometry.algorithms.motion.Motion
    known : photometry.stages.prepare.field.Field
    good : bool array (times,)
    """
    info, kernel = writer.info, measured(moved, good)
    row, column = mean_places(moved, good, known.stars)
    scatter = np.cov(kernel[:, :2].T, bias=True) if len(kernel) > 1 else np.zeros((2, 2))
    found = epsf.learn(sumimage, row, column, known.stars.tmag, load_prf(info.sector, info.camera, info.ccd),
                       origin=info.limits[::2], exposure=max(info.exposure, 1.0) * max(good.sum(), 1),
                       blur=(scatter[0, 0], scatter[0, 1], scatter[1, 1]),
                       pointings=_pointings(writer, moved, good))
    if found is None:
        return None
    wing = () if found.wing is None else (found.wing.fraction, found.wing.exponent, found.wing.radius)
    return LearnedPRF(found.samples, found.row, found.column, wing, found.stars, found.degree,
                      found.rms_before, found.rms_after)


def _pointings(writer, moved, good):
    """Where the good frames stood, and how they are added up."""
    used = good & np.isfinite(moved.kernel).all(axis=1)

    def collect(stamp, weights):
        every = np.zeros((len(weights), used.size))
        every[:, used] = weights
        return writer.weighted_sums(stamp, every)
    return epsf_slopes.Pointings(moved.kernel[used], moved.centre, collect)


def model(learned) -> PRF:
    """The learned PRF, ready to give images of stars."""
    return PRF(learned, Wing(*learned.wing) if learned.wing else None)


def measured(moved, good):
    """Motion (frames, 6) of the good frames that have one."""
    kernel = moved.kernel[good]
    return kernel[np.isfinite(kernel).all(axis=1)]


def mean_places(moved, good, stars):
    """Rows and columns of the stars in the mean of the good frames."""
    kernel = measured(moved, good)
    mean = kernel.mean(axis=0, keepdims=True) if len(kernel) else np.zeros((1, 6))
    rows, columns = motion.positions_at(mean, moved.centre, stars.row, stars.column)
    return rows[:, 0], columns[:, 0]
