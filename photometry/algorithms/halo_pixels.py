"""What the estimators of a halo work on: pixels around a star less what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import factorial

import numpy as np

STRUCTURE = 0.1
"""Length over which a star's image changes, px: sets how fast powers of the motion matter less."""

NEGLIGIBLE = 1e-7
"""Part of a pixel's light below which a power of the motion is left out."""

FRAMES_A_TERM = 40
"""Frames needed for each term of the motion that is fitted to every pixel."""

MOST_ORDER = 8

LEAST_GAP = 0.5
"""Pause in the data that may part two segments, days."""

PAUSE = 10
"""The same in cadences."""

LEAST_SEGMENT = 0.1
"""Part of the frames that a segment must hold."""


@dataclass(frozen=True)
class HaloPixels:
    """Pixels of a halo, less the model of the star at its mean flux, of its neighbours and the sky.

    Attributes
    ----------
    rest : ndarray (pixels, times) float32
        e-/s; 0 where there is no number.
    missing : pair of ndarray (n,) or None
        Pixel and frame of every missing number.
    variance : ndarray (pixels,)
        Expected noise of a pixel in one frame, (e-/s)^2.
    level : float
        Mean flux of the star, e-/s.
    profile : ndarray (pixels,)
        Fraction of the star's light in each pixel of the mean image, as measured.
    model : ndarray (pixels,)
        The same, of the model of a star's image.
    response : ndarray (pixels, times) float32
        Change of that fraction by the motion, as the model has it.
    trusted : ndarray (pixels,) of bool
        Where the model is believed.
    nuisances : ndarray (3, pixels)
        Sky (ones), and change of all light by a displacement of the stars in row and column, e-/s a px.
    shapes : ndarray (shapes, pixels)
        What errors of the star's place and motion may add to the profile: its derivatives.
    basis : ndarray (times, terms)
        Powers of the motion, `motion_basis`.
    good : ndarray (times,) of bool
    segment : ndarray (times,) of int
    """

    rest: np.ndarray
    missing: tuple | None
    variance: np.ndarray
    level: float
    profile: np.ndarray
    model: np.ndarray
    response: np.ndarray
    trusted: np.ndarray
    nuisances: np.ndarray
    shapes: np.ndarray
    basis: np.ndarray
    good: np.ndarray
    segment: np.ndarray

    def orthonormal(self, frames):
        """The basis made orthonormal over some frames: zero in all others, and everywhere, (times, terms)."""
        if not self.basis.shape[1]:
            return self.basis, self.basis
        _, triangle = np.linalg.qr(self.basis[frames])
        scale = np.abs(np.diag(triangle))
        kept = scale > 1e-6 * scale.max(initial=1e-30)
        basis = self.basis[:, kept]
        _, triangle = np.linalg.qr(basis[frames])
        everywhere = np.linalg.solve(triangle.T, basis.T).T
        return np.where(frames[:, None], everywhere, 0.0), everywhere

    def with_noise(self, variance):
        """The same with another expected noise."""
        return replace(self, variance=variance)


def find_segments(time, good, cadence):
    """Parts of the data between pauses.

    Parameters
    ----------
    time : ndarray (times,)
        Days.
    good : ndarray (times,) of bool
        Frames that count; the others are no data.
    cadence : float
        Days.

    Returns
    -------
    ndarray (times,) of int
        Numbers from 0; what lies in a pause belongs to the segment before it. Segments with
        less than `LEAST_SEGMENT` of the good frames are joined with their neighbour.
    """
    used = np.flatnonzero(good)
    if used.size < 2:
        return np.zeros(time.size, dtype=int)
    pause = np.diff(time[used])
    starts = [0, *(np.flatnonzero(pause > max(LEAST_GAP, PAUSE * cadence)) + 1)]
    least = LEAST_SEGMENT * used.size
    kept = [0]
    for start in starts[1:]:
        if start - kept[-1] >= least and used.size - start >= least:
            kept.append(start)
    bounds = time[used[kept[1:]]]
    return np.searchsorted(bounds, time, side='right')


def motion_basis(shift, good, segment):
    """Powers of the motion that may show in a pixel, with a step for each further segment.

    Along the principal axes of the motion, up to the order that still matters
    (`NEGLIGIBLE` of a Taylor series) and as many as the number of frames allows. Beyond
    the range of the good frames the motion is held at its border.

    Parameters
    ----------
    shift : ndarray (times, 2)
        Motion against the mean image, px.
    good : ndarray (times,) of bool
    segment : ndarray (times,) of int

    Returns
    -------
    ndarray (times, terms)
        Each with mean zero over the good frames.
    """
    most = int(good.sum()) // FRAMES_A_TERM
    steps = [segment >= number for number in range(1, segment[good].max(initial=0) + 1)][:most]
    centred = shift - shift[good].mean(axis=0)
    axes = np.linalg.eigh(np.cov(centred[good].T))[1][:, ::-1]
    along = np.clip(centred @ axes, *np.percentile(centred[good] @ axes, [0, 100], axis=0))
    extent = np.sqrt(np.mean(along[good] ** 2, axis=0)) / STRUCTURE
    size = {(i, n - i): extent[0] ** i * extent[1] ** (n - i) / factorial(i) / factorial(n - i)
            for n in range(1, MOST_ORDER + 1) for i in range(n + 1)}
    powers = sorted((power for power in size if size[power] > NEGLIGIBLE), key=lambda power: -size[power])
    scaled = along / np.maximum(STRUCTURE * extent, 1e-9)
    columns = [step.astype('float64') for step in steps]
    columns += [scaled[:, 0] ** i * scaled[:, 1] ** j for i, j in powers[:most - len(steps)]]
    if not columns:
        return np.zeros((len(shift), 0))
    basis = np.stack(columns, axis=1)
    return basis - basis[good].mean(axis=0)
