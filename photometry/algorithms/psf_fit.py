"""Flux and place of a star in every cadence at once, from six numbers a cadence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_STEPS = 40
LONGEST_STEP = 0.25
"""Steps of the iteration, and how far one may go, px."""

SETTLED = 1e-4
"""Step below which a place is found, px: what it leaves is smaller by the signal to noise."""

DAMPING = 1e-3
"""Least damping of a step that has once failed, as a part of the curvature."""


@dataclass(frozen=True)
class Places:
    """What `solve` found, time last.

    Attributes
    ----------
    flux : ndarray (times,)
    place : ndarray (2, times)
        Row and column against the point about which the templates were expanded, px.
    covariance : ndarray (3, 3, times)
        Of flux, row and column.
    chi2 : ndarray (times,)
        Weighted squares left, without the prior's part.
    found : ndarray (times,) of bool
        Whether the iteration settled within reach.
    """

    flux: np.ndarray
    place: np.ndarray
    covariance: np.ndarray
    chi2: np.ndarray
    found: np.ndarray


def solve(space, start, prior=None, reach=1.0):
    """Flux, row and column of a star in all cadences by Gauss-Newton steps.

    The star's image is ``f (A + r A_r + c A_c + r2/2 A_rr + r c A_rc + c2/2 A_cc)``.
    Steps that would raise the sum of squares are damped (Levenberg and Marquardt),
    each cadence for itself. A flux may be negative: nothing but the data and the prior of
    the place has a say.

    Parameters
    ----------
    space : photometry.algorithms.psf_space.StarSpace
    start : ndarray (2, times)
        First guess of the place, px.
    prior : tuple, optional
        Mean (2, times) and precision (2, times), px^-2, of the place; none by default.
    reach : float
        Farthest place from the start, px: there the expansion means nothing.

    Returns
    -------
    Places
        The covariance takes the errors of the very pixels through the fixed weights
        (``H^-1 (J'SJ + prior) H^-1``), so it holds for weights that are not ideal.
    """
    mean, precision = prior if prior is not None else (start, np.zeros_like(start))
    place = np.array(start, dtype='float64')
    flux = linear_flux(space, place)
    state = _State(space, flux, place, mean, precision)
    damping = np.zeros(flux.size)
    for _ in range(MOST_STEPS):
        step = _limited(state.step(damping))
        tried = _State(space, state.flux + step[0], state.place + step[1:], mean, precision)
        worse = tried.cost > state.cost + 1e-9 * np.abs(state.scale)
        relaxed = np.where(damping > DAMPING, damping / 10, 0.0)
        damping = np.where(worse, np.maximum(10 * damping, DAMPING), relaxed)
        state = tried if not worse.any() else _State(space, np.where(worse, state.flux, tried.flux),
                                                     np.where(worse, state.place, tried.place),
                                                     mean, precision)
        left = np.hypot(step[1], step[2])
        if ((left < SETTLED) | (worse & (damping > 1e6))).all():
            break
    if damping.any():  # damped steps are short wherever they are
        left = np.hypot(*state.step(0.0)[1:])
    covariance = state.covariance()
    sigma = np.sqrt(covariance[1, 1] + covariance[2, 2])  # NaN where the pixels do not tell the place
    found = (np.hypot(*(state.place - start)) < reach) & (left < SETTLED + 0.05 * sigma)
    return Places(state.flux, state.place, covariance, state.chi2, found)


def linear_flux(space, place):
    """Flux of a star at given places (2, times), e-/s; NaN where no pixel sees it."""
    phi = terms(place)
    information = np.einsum('kt,kt->t', phi, _apply(space.gram, phi))
    seen = information > 0
    return np.einsum('kt,kt->t', phi, space.q) / np.where(seen, information, np.nan)


def flux_error(space, place):
    """Standard error of `linear_flux`, (times,)."""
    phi = terms(place)
    information = np.einsum('kt,kt->t', phi, _apply(space.gram, phi))
    variance = np.einsum('kt,kt->t', phi, _apply(space.spread, phi))
    return np.sqrt(variance) / np.where(information > 0, information, np.nan)


def terms(place):
    """Coefficients (6, times) of the templates for a unit flux."""
    row, column = place
    return np.stack([np.ones_like(row), row, column, row ** 2 / 2, row * column, column ** 2 / 2])


def slopes(place):
    """Derivatives of `terms` by row and by column, two arrays (6, times)."""
    row, column = place
    none, one = np.zeros_like(row), np.ones_like(row)
    return (np.stack([none, one, none, row, column, none]),
            np.stack([none, none, one, none, row, column]))


class _State:
    """A point of the iteration with the gradient and the curvature there."""

    def __init__(self, space, flux, place, mean, precision):
        self.space, self.flux, self.place = space, flux, place
        phi = terms(place)
        self._jacobian = (phi, *(flux * slope for slope in slopes(place)))
        self._seen = _apply(space.gram, phi)
        part = flux * (np.einsum('kt,kt->t', phi, space.q))
        square = flux ** 2 * np.einsum('kt,kt->t', phi, self._seen)
        away = place - mean
        self.chi2 = space.const - 2 * part + square
        self.scale = np.abs(part) + square
        self.cost = square - 2 * part + (precision * away ** 2).sum(axis=0)
        self._away, self._precision = away, precision

    def step(self, damping):
        """Change of (flux, row, column), (3, times)."""
        misfit = self.space.q - self.flux * self._seen
        gradient = np.stack([np.einsum('kt,kt->t', column, misfit) for column in self._jacobian])
        gradient[1:] -= self._precision * self._away
        return _solved(self._curvature(damping), gradient)

    def _curvature(self, damping=0.0):
        made = _sandwiched(self.space.gram, self._jacobian)
        for axis in (1, 2):
            made[axis, axis] = (made[axis, axis] + self._precision[axis - 1]) * (1 + damping)
        return made

    def covariance(self):
        """Of flux, row and column, (3, 3, times)."""
        spread = _sandwiched(self.space.spread, self._jacobian)
        for axis in (1, 2):
            spread[axis, axis] += self._precision[axis - 1]
        inverse = _inverse(self._curvature())
        return np.einsum('abt,bct,cdt->adt', inverse, spread, inverse)


def _apply(matrix, vector):
    """Products of matrices (6, 6, times) and vectors (6, times)."""
    if matrix.strides[-1] == 0:  # the same for all times
        return matrix[..., 0] @ vector
    return np.einsum('klt,lt->kt', matrix, vector)


def _sandwiched(matrix, columns):
    """J'MJ for columns J, (3, 3, times)."""
    made = np.empty((3, 3, columns[0].shape[1]))
    for second in range(3):
        product = _apply(matrix, columns[second])
        for first in range(second + 1):
            made[first, second] = made[second, first] = np.einsum('kt,kt->t', columns[first], product)
    return made


def _inverse(matrix):
    """Inverses of symmetric matrices (3, 3, times); NaN where there is none."""
    (a, b, c), (_, d, e), (_, _, f) = matrix
    first = np.stack([d * f - e * e, c * e - b * f, b * e - c * d])
    second = np.stack([first[1], a * f - c * c, b * c - a * e])
    third = np.stack([first[2], second[2], a * d - b * b])
    determinant = a * first[0] + b * first[1] + c * first[2]
    good = determinant > 1e-14 * a * d * f
    return np.stack([first, second, third]) / np.where(good, determinant, np.nan)


def _solved(matrix, right):
    """Solutions (3, times); no step where the matrix has no inverse."""
    return np.nan_to_num(np.einsum('abt,bt->at', _inverse(matrix), right))


def _limited(step):
    """Steps no longer than allowed: flux and place shortened alike."""
    length = np.hypot(step[1], step[2])
    return step * np.minimum(1.0, LONGEST_STEP / np.maximum(length, 1e-300))
