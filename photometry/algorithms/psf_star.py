"""One star in all cadences: expansions about where it is, priors from its own data, flux and place."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from photometry.algorithms import metrics, psf_expansion, psf_fit, psf_motion, psf_space

MOTION_ERROR = 2e-4
"""Error of the measured motion in a frame, px."""

NEIGHBOUR_ERROR = 2e-4
SKY_ERROR = 1e-3
"""What a neighbour's place, px, and the local sky, e-/s, wander at least in their priors."""

MOVED = 0.03
"""Motion of its own beyond which a star is expanded anew about where it is, px."""

SAMPLE = 30
"""Frames in which the brightness of the star is looked at first."""

LOUD, MOST_SAMPLE = 1.6, 128
"""Variance over that of the errors from which a pixel is given less weight, and frames that tell it."""

CALM = 1.15
"""Reduced chi square below which all pixels behave."""

HARMLESS = 0.01
"""Growth of the flux's variance, were those pixels wrong all alike, below which they are left alone."""

OWN_ERROR = 0.03
"""Part of the star's own light in a pixel that its scatter must exceed for that."""

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
    where, first = shift, star.fit(shift, shift, motion_error)
    own = psf_motion.believed(first.free, first.place - shift, first.trend, first.wander)
    if np.abs(own).max(initial=0) > MOVED:
        where = shift + own
        first = star.fit(shift, where, motion_error)
    calmed = star.calmed(first)
    fitted = first if calmed is None else calmed.fit(shift, where, motion_error, first)
    mean = shift + fitted.trend - fitted.expansion.centre
    precision = np.repeat(fitted.wander[:, None] ** -2, shift.shape[1], axis=1)
    held = psf_fit.solve(fitted.space, mean, (mean, precision))
    freedom = np.maximum(first.space.pixels - 1, 1)
    return _series(fitted, held, first.free.chi2 / freedom, good)


def _series(fitted, held, chi2, good):
    """Numbers of all cadences, NaN where the pixels do not tell them."""
    phi, free = psf_fit.terms(held.place), fitted.free
    information = np.einsum('kt,klt,lt->t', phi, fitted.space.gram, phi)
    told = information > LEAST_INFORMATION * np.median(information[good] if good.any() else information)
    told &= information > 0
    flux_ok, place_ok = told & held.found, told & free.found
    return StarSeries(
        flux=np.where(flux_ok, held.flux, np.nan), flux_err=_root(held.covariance[0, 0], flux_ok),
        place=np.where(place_ok, fitted.place, np.nan),
        place_err=np.stack([_root(free.covariance[axis, axis], place_ok) for axis in (1, 2)]),
        free_flux=np.where(place_ok, free.flux, np.nan),
        free_flux_err=_root(free.covariance[0, 0], place_ok),
        chi2=np.where(told, chi2, np.nan), wander=fitted.wander, trend=fitted.trend)


def _root(variance, valid):
    return np.sqrt(np.where(valid & (variance > 0), variance, np.nan))


@dataclass(frozen=True)
class _Fitted:
    """A fit of all frames without a prior of the place, and what it says of the star's own motion."""

    expansion: psf_expansion.Expansion
    priors: tuple
    space: psf_space.StarSpace
    free: psf_fit.Places
    trend: np.ndarray
    wander: np.ndarray

    @property
    def place(self):
        """Against the star's mean place, (2, times), px."""
        return self.free.place + self.expansion.centre


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
        return psf_expansion.cell_for(flux, templates, weights)

    def fit(self, shift, where, motion_error, former=None):
        """`_Fitted` of all frames, expanded about (2, times), or as a former fit was."""
        expansion = former.expansion if former else self.expansion(where)
        priors = self.priors(expansion)
        space = self.statistics(expansion, *priors)
        free = psf_fit.solve(space, former.free.place if former else where - expansion.centre)
        own = psf_motion.own_motion(free, free.place + expansion.centre - shift, self.good, motion_error)
        return _Fitted(expansion, priors, space, free, *own)

    def calmed(self, fitted):
        """The same star with less weight on pixels that scatter more than their errors say, else None.

        Where the model of the light is wrong, what it leaves comes and goes with the motion: at the
        rim of a saturated neighbour's image, above all. Such pixels are given the errors they show,
        but for those where the star's own image may be what is wrong: without them nothing is known of it.
        """
        chi2 = fitted.free.chi2[self.good & fitted.free.found]
        if chi2.size < LEAST_FRAMES or np.median(chi2) < CALM * self.weights.size:
            return None
        scatter = self._scatter(fitted)
        image = np.abs(fitted.expansion.templates[0].mean(axis=0))
        wrong = np.sqrt(np.maximum(scatter - 1, 0) / self.weights)
        loud = (scatter > LOUD) & (wrong > OWN_ERROR * abs(np.median(fitted.free.flux)) * image)
        heard = (self.weights * image)[loud] @ wrong[loud]
        if heard ** 2 < HARMLESS * (self.weights * image) @ image:
            return None
        made = copy.copy(self)
        factor = np.where(loud, scatter, 1.0)
        made.weights = self.weights / factor
        made.errors = self.errors * np.sqrt(factor)[:, None].astype('float32')
        return made

    def _scatter(self, fitted):
        """Variance of what a fit leaves over that of the errors, (pixels,), from some of the frames."""
        known = np.flatnonzero(self.good & fitted.free.found & self._whole)
        if known.size < LEAST_FRAMES:
            return np.ones(self.weights.size)
        known = known[np.linspace(0, known.size - 1, min(known.size, MOST_SAMPLE)).astype(int)]
        expansion, (sigma, centre) = fitted.expansion, fitted.priors
        light = fitted.free.flux * psf_fit.terms(fitted.free.place)
        left = self.pixels[:, known]
        for number in np.unique(expansion.member[known]):
            mine, columns = expansion.member[known] == number, expansion.columns[number]
            part = left[:, mine] - (centre @ columns)[:, None]
            part -= expansion.templates[:, number].T @ light[:, known[mine]]
            weighted = columns * self.weights
            normal = weighted @ columns.T + np.diag(sigma ** -2.0)
            normal += psf_space.TRACE * np.diag(np.diag(normal))
            left[:, mine] = part - columns.T @ np.linalg.solve(normal, weighted @ part)
        left /= self.errors[:, known]
        left -= np.median(left, axis=1, keepdims=True)
        return (1.4826 * np.median(np.abs(left), axis=1)) ** 2

    @cached_property
    def _whole(self):
        """Frames that lack no pixel, (times,) of bool."""
        return np.isfinite(self.pixels.sum(axis=0) + self.errors.sum(axis=0))

    def expansion(self, where):
        """`psf_expansion.Expansion` for stars that stand at (2, times)."""
        points, member = psf_expansion.groups_of(where, self.cell)
        columns = self.around.columns(points)[..., self.used]
        return psf_expansion.Expansion(points, member, self.render(points), columns)

    def statistics(self, expansion, sigma, centre):
        """`StarSpace` of all frames; the surroundings have priors of ``sigma`` around ``centre``."""
        made = psf_space.StarSpace.empty(self.pixels.shape[1])
        for number, frames in expansion.groups():
            part = psf_space.project(
                self.pixels[:, frames], self.errors[:, frames], self.weights, expansion.templates[:, number],
                expansion.columns[number], sigma ** -2.0, centre, self._whole[frames])
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
        whole = self.good & self._whole
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


def _filters(design, weights):
    """Rows (columns, pixels) that fit all columns at once by weighted least squares."""
    weighted = design * weights
    scale = np.einsum('kp,kp->k', weighted, design)
    scale = np.where(scale > 0, scale, 1.0) ** -0.5
    normal = (weighted @ design.T) * scale * scale[:, None] + psf_space.TRACE * np.eye(len(design))
    return np.linalg.solve(normal, weighted * scale[:, None]) * scale[:, None]
