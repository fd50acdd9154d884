"""One star in all cadences: expansions about where it is, priors from its own data, flux and place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from photometry.algorithms import metrics, psf_fit, psf_space

CELLS = 0.03, 0.2
"""Least and greatest distance of the points about which images are expanded, px."""

EXPANSION_ERROR = 4.0
"""Error of a place at half such a distance over the distance cubed, px^-2: measured for the
official PRFs, whose images are expanded to second order."""

MOTION_ERROR = 2e-4
"""Error of the measured motion in a frame, px."""

NEIGHBOUR_ERROR = 5e-4
SKY_ERROR = 1e-3
"""What a neighbour's place, px, and the local sky, e-/s, wander at least in their priors."""

MOVED = 0.03
"""Motion of its own beyond which a star is expanded anew about where it is, px."""

TREND_TERMS = 4
"""Legendre polynomials of the slow motion."""

MOST_POINTS = 250
"""Points of expansion at most: beyond that they lie farther apart."""

SAMPLE = 30
"""Frames in which the brightness of the star is looked at first."""

LEAST_FRAMES = 30
"""Frames without gaps from which priors are measured."""

LEAST_INFORMATION = 0.05
"""Part of the usual information that the pixels of a frame must hold."""


class Surroundings(Protocol):
    """What shines on a star's pixels besides the star.

    ``sigma`` is the prior of each column, (columns,): infinite for a free one.
    ``measured`` says which priors the data shall set; ``sigma`` is their least value.
    """

    sigma: np.ndarray
    measured: np.ndarray

    def columns(self, offsets) -> np.ndarray:
        """Columns (n, columns, pixels) when everything is displaced by offsets (2, n), px."""


@dataclass(frozen=True)
class StarSeries:
    """Outcome of `fit_star`; places are (row, column) against the star's mean place.

    Attributes
    ----------
    flux, flux_err : ndarray (times,)
        With the prior of the place; NaN where no pixel tells.
    place, place_err : ndarray (2, times)
        Without any prior, px; NaN where the star is too faint to be found.
    free_flux, free_flux_err : ndarray (times,)
        That belong to ``place``.
    chi2 : ndarray (times,)
        Reduced.
    wander : ndarray (2,)
        Standard deviation of the prior of the place about the motion, px.
    trend : ndarray (2, times)
        Slow motion of the star's own, about which the prior stands, px.
    """

    flux: np.ndarray
    flux_err: np.ndarray
    place: np.ndarray
    place_err: np.ndarray
    free_flux: np.ndarray
    free_flux_err: np.ndarray
    chi2: np.ndarray
    wander: np.ndarray
    trend: np.ndarray


def fit_star(pixels, errors, weights, shift, good, render, around, *, cell=None, motion_error=MOTION_ERROR):
    """Flux and place of one star in every cadence.

    Parameters
    ----------
    pixels, errors : ndarray (pixels, times)
        Images less the light of the neighbours and the sky, with standard errors, e-/s;
        NaN where a pixel is unusable.
    weights : ndarray (pixels,)
        Inverse variances that serve all frames; zero where a pixel is never used.
    shift : ndarray (2, times)
        Measured motion of the star against its mean place, px.
    good : ndarray (times,) of bool
        Frames from which priors are measured.
    render : callable
        ``render(offsets (2, n)) -> (6, n, pixels)``: templates of the star displaced from its mean place.
    around : Surroundings
    cell : float, optional
        Distance of the points of expansion, px; by default so that their error stays below the noise.
    motion_error : float
        Standard error of ``shift`` in a frame, px.

    Returns
    -------
    StarSeries
    """
    star = _Star(pixels, errors, weights, good, render, around, cell)
    expansion = star.expansion(shift)
    priors = star.priors(expansion)
    space = star.statistics(expansion, *priors)
    free = psf_fit.solve(space, shift - expansion.centre)
    trend, wander = _own_motion(free, free.place + expansion.centre - shift, good, motion_error)
    own = _believed(free, free.place + expansion.centre - shift, trend, wander)
    if np.abs(own).max(initial=0) > MOVED:
        expansion = star.expansion(shift + own)
        space = star.statistics(expansion, *priors)
        free = psf_fit.solve(space, shift + own - expansion.centre)
        trend, wander = _own_motion(free, free.place + expansion.centre - shift, good, motion_error)
    mean = shift + trend - expansion.centre
    precision = np.repeat(wander[:, None] ** -2, shift.shape[1], axis=1)
    held = psf_fit.solve(space, mean, (mean, precision))
    return _series(space, expansion.centre, free, held, wander, trend, good)


def _series(space, centre, free, held, wander, trend, good):
    """Numbers of all cadences, NaN where the pixels do not tell them."""
    phi = psf_fit.terms(held.place)
    information = np.einsum('kt,klt,lt->t', phi, space.gram, phi)
    told = information > LEAST_INFORMATION * np.median(information[good] if good.any() else information)
    told &= information > 0
    flux_ok, place_ok = told & held.found, told & free.found
    freedom = np.maximum(space.pixels - 1, 1)
    return StarSeries(
        flux=np.where(flux_ok, held.flux, np.nan), flux_err=_root(held.covariance[0, 0], flux_ok),
        place=np.where(place_ok, free.place + centre, np.nan),
        place_err=np.stack([_root(free.covariance[axis, axis], place_ok) for axis in (1, 2)]),
        free_flux=np.where(place_ok, free.flux, np.nan),
        free_flux_err=_root(free.covariance[0, 0], place_ok),
        chi2=np.where(told, held.chi2 / freedom, np.nan), wander=wander, trend=trend)


def _root(variance, valid):
    return np.sqrt(np.where(valid & (variance > 0), variance, np.nan))


@dataclass(frozen=True)
class _Expansion:
    """Points about which the images of groups of frames are expanded.

    ``points`` (2, groups), ``member`` (times,), ``templates`` (6, groups, pixels),
    ``columns`` (groups, nuisance, pixels).
    """

    points: np.ndarray
    member: np.ndarray
    templates: np.ndarray
    columns: np.ndarray

    @property
    def centre(self):
        """Point of every frame, (2, times)."""
        return self.points[:, self.member]

    def groups(self):
        """Number and frames of every group."""
        return enumerate(frames_of(self.member, self.points.shape[1]))


def groups_of(where, cell):
    """Points (2, groups) on a grid near places (2, times), and the group of every frame (times,)."""
    middle = where.mean(axis=1, keepdims=True)
    while True:
        steps = np.rint((where - middle) / cell).astype(int)
        key = (steps[0] - steps[0].min()) * (np.ptp(steps[1]) + 1) + steps[1] - steps[1].min()
        _, first, member = np.unique(key, return_index=True, return_inverse=True)
        if first.size <= MOST_POINTS:
            return cell * steps[:, first] + middle, member
        cell *= 1.3


def frames_of(member, groups):
    """Frames of every group, as slices where they follow each other: these need no copy."""
    for number in range(groups):
        index = np.flatnonzero(member == number)
        together = index[-1] - index[0] + 1 == index.size
        yield slice(int(index[0]), int(index[-1]) + 1) if together else index


class _Star:
    """The pixels that are used, and what is known about their images."""

    def __init__(self, pixels, errors, weights, good, render, around, cell):
        self.used = np.asarray(weights) > 0
        self.pixels, self.errors, self.weights = (
            np.asarray(values if self.used.all() else values[self.used], dtype=dtype)
            for values, dtype in ((pixels, 'float64'), (errors, 'float32'), (np.asarray(weights), 'float64')))
        self.good, self.around, self._render = good, around, render
        self.cell = self._default_cell() if cell is None else cell

    def render(self, offsets):
        """Templates on the pixels that are used."""
        return self._render(offsets)[..., self.used]

    def _default_cell(self):
        typical = self.pixels[:, np.linspace(0, self.good.size - 1, SAMPLE).astype(int)]
        known = np.isfinite(typical).all(axis=1)
        templates = self.render(np.zeros((2, 1)))[:3, 0, known]
        value, weights = templates[0], self.weights[known]
        flux = (weights * value) @ typical[known].mean(axis=1) / max((weights * value) @ value, 1e-300)
        return cell_for(flux, templates, weights)

    def expansion(self, where):
        """`_Expansion` for stars that stand at (2, times)."""
        points, member = groups_of(where, self.cell)
        return _Expansion(points, member, self.render(points), self.around.columns(points)[..., self.used])

    def statistics(self, expansion, sigma, centre):
        """`StarSpace` of all frames; the surroundings have priors of ``sigma`` around ``centre``."""
        made = psf_space.StarSpace.empty(self.pixels.shape[1])
        for number, frames in expansion.groups():
            pixels, columns = self.pixels[:, frames], expansion.columns[number]
            if centre.any():
                pixels = pixels - (centre @ columns)[:, None]
            part = psf_space.project(pixels, self.errors[:, frames], self.weights,
                                     expansion.templates[:, number], columns, sigma ** -2.0)
            if len(expansion.points[0]) == 1:
                return part
            made.put(frames, part)
        return made

    def priors(self, expansion):
        """Standard deviations and middles of the priors of the surroundings, measured where wanted.

        A first fit leaves everything free, neighbours' places and the sky as well. What a column
        scatters more than its noise is how much it wanders; where it stands on average, as far
        as that is certain, is the middle of its prior.
        """
        sigma, centre = np.array(self.around.sigma, dtype='f8'), np.zeros(self.around.sigma.size)
        chosen = np.flatnonzero(self.around.measured)
        whole = self.good & np.isfinite(self.pixels.sum(axis=0) + self.errors.sum(axis=0))
        if chosen.size and whole.sum() >= LEAST_FRAMES:
            values, variance = self._pilot(expansion, chosen)
            for column, series, noise in zip(chosen, values[:, whole], variance, strict=True):
                excess = max(metrics.mad(series) ** 2 - noise, 0.0)
                sigma[column] = np.hypot(sigma[column], np.sqrt(excess))
                middle = np.median(series)
                doubt = 1.57 * (noise + excess) / whole.sum()
                centre[column] = middle * max(1 - doubt / max(middle ** 2, 1e-300), 0.0)
        return sigma, centre

    def _pilot(self, expansion, chosen):
        """Some columns (columns, times) fitted with everything free, and their variance (columns,)."""
        values, variance = np.empty((chosen.size, self.pixels.shape[1])), np.zeros(chosen.size)
        for number, frames in expansion.groups():
            design = np.concatenate([expansion.columns[number], expansion.templates[:3, number]])
            filters = _filters(design, self.weights)[chosen]
            values[:, frames] = filters @ self.pixels[:, frames]
            variance += (filters ** 2 / self.weights).sum(axis=1) * values[0, frames].size
        return values, variance / self.pixels.shape[1]


def cell_for(flux, templates, weights):
    """Distance of the points of expansion at which their error is a third of a place's noise, px.

    Parameters
    ----------
    flux : float
        e-/s.
    templates : ndarray (>= 3, pixels)
    weights : ndarray (pixels,)
        Inverse variances in a frame.
    """
    information = flux ** 2 * min((weights * slope) @ slope for slope in templates[1:3])
    noise = max(information, 1e-300) ** -0.5
    return float(np.clip((noise / 3 / EXPANSION_ERROR * 8) ** (1 / 3), *CELLS))


def _filters(design, weights):
    """Rows (columns, pixels) that fit all columns at once by weighted least squares."""
    weighted = design * weights
    scale = np.einsum('kp,kp->k', weighted, design)
    scale = np.where(scale > 0, scale, 1.0) ** -0.5
    normal = (weighted @ design.T) * scale * scale[:, None] + psf_space.TRACE * np.eye(len(design))
    return np.linalg.solve(normal, weighted * scale[:, None]) * scale[:, None]


def _own_motion(free, away, good, motion_error):
    """Slow motion of a star beside the measured one, (2, times), and the scatter about it, (2,).

    Legendre polynomials in time, each shrunk by the part of its square that noise explains; the
    scatter is the error of the motion with what the star moves beyond its own noise.
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
        wander[axis] = np.hypot(motion_error, np.sqrt(_excess(rest, variance[keep])))
    return trend, wander


def _believed(free, away, trend, wander):
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
    """Coefficients of a weighted fit, each as far as it exceeds its error."""
    normal = (basis.T * weight) @ basis
    upper = np.linalg.cholesky(normal).T
    rotated = np.linalg.solve(upper.T, basis.T @ (weight * values))  # unit errors, independent
    return np.linalg.solve(upper, rotated * np.maximum(1 - 1 / np.maximum(rotated ** 2, 1e-300), 0))
