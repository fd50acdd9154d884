"""What the estimators of a halo work on: pixels around a star less what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import factorial

import numpy as np

from photometry.algorithms import runs

SINGLE = (7, 16)
"""Distances along rows and columns up to which pixels stand alone and in 2 x 2; 4 x 4 beyond, px."""

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


def sky_shapes(row, column, radius):
    """Level, slopes and curvature of the sky over a halo, (6, pixels), of about unit size.

    Parameters
    ----------
    row, column : ndarray (pixels,)
        Distances from the star, px.
    radius : float
        Of the halo, px.
    """
    row, column = row / radius, column / radius
    return np.stack([np.ones_like(row), 2 * row, 2 * column, 3 * row ** 2 - 0.75, 4 * row * column,
                     3 * column ** 2 - 0.75])


@dataclass(frozen=True)
class Groups:
    """Pixels of a stamp in groups that are summed: singly near the star, the more the farther away.

    Far from a star its light and its noise change slowly, so that hardly anything is lost.

    Attributes
    ----------
    row, column : ndarray (pixels,) of int
        Pixels of the stamp, group after group.
    first : ndarray (groups,) of int
        Where the groups begin.
    """

    row: np.ndarray
    column: np.ndarray
    first: np.ndarray

    @classmethod
    def around(cls, row, column, kept):
        """Groups of pixels around a place on a stamp.

        Parameters
        ----------
        row, column : int
            The star's pixel of the stamp.
        kept : ndarray (rows, columns) of bool
            The pixels.
        """
        rows, columns = np.nonzero(kept)
        down, right = rows - row, columns - column
        away = np.maximum(np.abs(down), np.abs(right))
        size = 2 ** np.searchsorted(SINGLE, away)
        order = np.lexsort((right // size, down // size, size))
        label = np.stack([size, down // size, right // size])[:, order]
        new = np.concatenate([[True], (np.diff(label, axis=1) != 0).any(axis=0)])
        return cls(rows[order], columns[order], np.flatnonzero(new))

    @property
    def number(self):
        """Pixels in each group, (groups,)."""
        return np.diff(np.append(self.first, self.row.size))

    def sums(self, image):
        """Sums of images or cubes (rows, columns, ...) over the groups, (groups, ...)."""
        height, width, *more = image.shape
        total = self._membership(width, height * width) @ image.reshape(height * width, -1)
        return total.reshape(len(self.first), *more)

    def _membership(self, width, size):
        """Ones where a group (row) holds a pixel (column) of a stamp so wide."""
        from scipy import sparse
        bounds = np.append(self.first, self.row.size)
        return sparse.csr_array((np.ones(self.row.size, dtype='i1'), self.row * width + self.column, bounds),
                                shape=(len(self.first), size))

    def samples(self, cube):
        """The first pixel of every group, (groups, ...)."""
        return cube[self.row[self.first], self.column[self.first]]

    def spread(self, values, shape):
        """An image of values (groups,) that hold for every pixel of a group."""
        made = np.zeros(shape)
        made[self.row, self.column] = np.repeat(values, self.number)
        return made


@dataclass(frozen=True)
class HaloPixels:
    """Pixels of a halo, less the model of the star at its mean flux, of its neighbours and the sky.

    Attributes
    ----------
    rest : ndarray (pixels, times) float32
        e-/s; 0 where there is no number. A pixel may be a group of some (`Groups`).
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
    clear : ndarray (pixels,) of bool
        What surely holds no charge of others.
    nuisances : ndarray (nuisances, pixels)
        What may change from frame to frame: all light by a displacement of the stars in row and in
        column, e-/s a px; the sky by `SKY`.
    shapes : ndarray (shapes, pixels)
        What errors of the star's place and motion may add to the profile: its derivatives.
    shift : ndarray (times, 2)
        Motion against the mean image, px.
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
    clear: np.ndarray
    nuisances: np.ndarray
    shapes: np.ndarray
    shift: np.ndarray
    basis: np.ndarray
    good: np.ndarray
    segment: np.ndarray

    def of(self, frames):
        """The same of some frames, all of which count."""
        if frames.all() and self.good.all():
            return self
        missing = None
        if self.missing is not None:
            inside = frames[self.missing[1]]
            if inside.any():
                missing = self.missing[0][inside], (np.cumsum(frames) - 1)[self.missing[1][inside]]
        number = np.flatnonzero(frames)
        return replace(self, rest=runs.taken(self.rest, number), missing=missing,
                       response=runs.taken(self.response, number), shift=self.shift[frames],
                       basis=self.basis[frames], good=self.good[frames] | True,
                       segment=self.segment[frames])

    def orthonormal(self):
        """The basis made orthonormal over all frames, (times, terms), and the matrix that does it."""
        count = self.basis.shape[1]
        if not count:
            return self.basis, np.zeros((0, 0))
        scale = np.abs(np.diag(np.linalg.qr(self.basis, mode='r')))
        kept = np.flatnonzero(scale > NEGLIGIBLE * scale.max())
        turn = np.zeros((count, kept.size))
        turn[kept] = np.linalg.inv(np.linalg.qr(self.basis[:, kept], mode='r'))
        return self.basis @ turn, turn


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
