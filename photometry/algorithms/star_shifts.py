"""Shift of single stars from frame to frame, from a linear fit of their images' derivatives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from photometry.core.stamp import Stamp

CELL = 0.06
"""Frames are grouped by their shift into cells of this size, px, each with an expansion of its own."""

MODEL_ERROR = 0.01
"""Fraction of a pixel's light by which the PRF may be wrong."""

WING_ERROR = 5e-4
"""Fraction of a star's whole light that may lie in a pixel without being in the PRF."""


class Shifts(NamedTuple):
    """Rows and columns of stars against their reference places, and errors: (n, 2, times), px."""

    value: np.ndarray
    error: np.ndarray

    def of(self, stars):
        """The shifts of some of the stars."""
        return Shifts(self.value[stars], self.error[stars])


def measure(stamps, errors, corners, scenes, prf, good, rounds=2) -> Shifts:
    """Shifts of stars against their reference places.

    Parameters
    ----------
    stamps, errors : arrays (n, height, width, times)
    corners : int array (n, 2)
        First row and column of each stamp.
    scenes : list of (places (k, 2), light (k,))
        The star itself and its neighbours, which move with it: reference
        places and light relative to the star's.
    prf : photometry.algorithms.prf.PRF
    good : bool array (times,)
    rounds : int
        How often the expansions are moved to where the stars were found.

    Returns
    -------
    Shifts
        NaN for stars of no use.
    """
    stars = [_Star(stamps[i], errors[i], corners[i], *scenes[i], prf, good) for i in range(len(stamps))]
    usable = [i for i, star in enumerate(stars) if star.usable]
    value, error = np.full((2, len(stars), 2, len(good)), np.nan)
    for i in usable:
        value[i], error[i] = stars[i].shifts(stars[i].middle, slice(None))
    for _ in range(rounds):
        groups = _groups(value[usable], good)
        if len(groups) < 2:
            break
        for frames, shift in groups:
            for i in usable:
                value[i][:, frames], error[i][:, frames] = stars[i].shifts(stars[i].middle + shift, frames)
    return Shifts(value, error)


def _groups(value, good):
    """Frames with about the same common shift: list of (frames, shift from the mean)."""
    chosen = good & np.isfinite(value).any(axis=(0, 1))
    whole = np.isfinite(value[:, :, chosen]).any(axis=(1, 2))
    if not whole.any():
        return []
    relative = value[whole] - np.nanmedian(value[whole][:, :, chosen], axis=2)[:, :, None]
    empty = ~np.isfinite(relative).any(axis=0)
    common = np.nanmedian(np.where(empty[None], 0.0, relative), axis=0)
    cells = np.round(np.clip(common, -3, 3) / CELL).astype(int)
    distinct, member = np.unique(cells, axis=1, return_inverse=True)
    member = member.ravel()
    return [(np.flatnonzero(member == k), common[:, member == k].mean(axis=1))
            for k in range(distinct.shape[1])]


def _slopes(height, width):
    """A level and two slopes, (3, pixels): what is left of the sky and of far wings."""
    down, right = (np.linspace(-1, 1, length) if length > 1 else np.zeros(1) for length in (height, width))
    return np.stack([np.ones(height * width), np.repeat(down, width), np.tile(right, height)])


class _Star:
    """One star's pixels, ready for fits about any place."""

    def __init__(self, pixels, errors, corner, places, relative, prf, good):
        self.prf, self.places, self.relative = prf, np.asarray(places, dtype='f8'), relative
        height, width, times = pixels.shape
        self.stamp = Stamp(corner[0], corner[0] + height, corner[1], corner[1] + width)
        flat = pixels.reshape(-1, times).astype('f8')
        alive = np.isfinite(flat)
        chosen = good if good.any() else np.ones(times, dtype=bool)
        # pixels that are missing in some good frames are missing in all; frames without the rest give none
        whole = alive[:, chosen & (alive.mean(axis=0) > 0.5)]
        self.pixels = whole.all(axis=1) & (whole.shape[1] > 0)
        self.data = flat[self.pixels]
        variance = errors.reshape(-1, times)[self.pixels][:, chosen].astype('f8') ** 2
        known = np.isfinite(variance) & (variance > 0)
        mean = np.where(known, variance, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        self.variance = mean.clip(1e-12)
        self.slopes = _slopes(height, width)[:, self.pixels]
        distance = np.hypot(*(self.places - self.places[0]).T)
        self.floor = WING_ERROR * (relative / np.maximum(distance / 3, 1) ** 2).sum()
        self.usable = len(self.data) >= 12
        if self.usable:
            frames = chosen & np.isfinite(self.data).all(axis=0)
            self._centre(self.data[:, frames].mean(axis=1, keepdims=True))

    def _centre(self, mean, rounds=8):
        """Find the star's mean place and light; one that is not seen or wanders off is of no use."""
        self.middle, self.light, self.usable = np.zeros(2), 0.0, False
        for _ in range(rounds):
            solution, covariance = self._solve(self.middle, mean)
            self.light = solution[1, 0]
            if not self.light > 5 * np.sqrt(covariance[1, 1]):
                return
            step = np.clip(solution[2:4, 0] / self.light, -0.3, 0.3)
            self.middle = self.middle + step
            if np.abs(self.middle).max() > 1.5:
                return
            self.usable = bool(np.abs(step).max() < 1e-2)

    def _solve(self, shift, data):
        """Coefficients (6, times) of level, light, moments and slopes, and their covariance."""
        images = self.prf.render(*(self.places + shift).T, self.stamp, derivatives=True)
        value, down, right = (np.tensordot(self.relative, image, 1).ravel()[self.pixels] for image in images)
        design = np.stack([self.slopes[0], value, down, right, *self.slopes[1:]], axis=1)
        doubt = self.light * np.hypot(MODEL_ERROR * value, self.floor)
        weight = 1 / (self.variance + doubt**2)
        inverse = np.linalg.pinv(design.T @ (weight[:, None] * design), hermitian=True)
        operator = inverse @ (design * weight[:, None]).T
        return operator @ data, np.einsum('ij,j,kj->ik', operator, self.variance, operator)

    def shifts(self, shift, frames):
        """Shifts (2, frames) from the reference place by expansion about it plus ``shift``, and errors."""
        solution, covariance = self._solve(shift, self.data[:, frames])
        light = solution[1]
        # a faint star's light is better known from all frames than from one
        if self.light**2 < 900 * covariance[1, 1]:
            light = np.full_like(light, self.light)
        seen = np.isfinite(light) & (light > 0.2 * self.light)
        light = np.where(seen, light, np.nan)
        error = np.sqrt(np.diag(covariance)[2:4, None]) / light
        return solution[2:4] / light + shift[:, None], error
