"""One star in all cadences: expansions about where it is, priors from its own data, flux and place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True)
class _Job:
    """Arguments that every part of the fit needs."""

    pixels: np.ndarray
    errors: np.ndarray
    weights: np.ndarray
    shift: np.ndarray
    good: np.ndarray
    render: object
    around: Surroundings
    cell: float
    sigma: np.ndarray = field(default_factory=lambda: np.zeros(0))
    centre: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def times(self):
        return self.pixels.shape[1]


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
    job = _Job(np.asarray(pixels, 'f8'), np.asarray(errors, 'f8'), np.asarray(weights, 'f8'),
               np.asarray(shift, 'f8'), good, render, around, cell)
    if cell is None:
        job = replace(job, cell=_cell(job))
    job = _with_priors(job)
    where = job.shift
    space, centre = _statistics(job, where)
    free = psf_fit.solve(space, where - centre)
    trend, wander = _own_motion(free, free.place + centre - job.shift, good, motion_error)
    own = _believed(free, free.place + centre - job.shift, trend, wander)
    if np.abs(own).max(initial=0) > MOVED:
        where = job.shift + own
        space, centre = _statistics(job, where)
        free = psf_fit.solve(space, where - centre)
        trend, wander = _own_motion(free, free.place + centre - job.shift, good, motion_error)
    mean = job.shift + trend - centre
    precision = np.repeat(wander[:, None] ** -2, job.times, axis=1)
    held = psf_fit.solve(space, mean, (mean, precision))
    return _series(space, centre, free, held, wander, trend, good)


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


def _cell(job):
    """Distance of the points of expansion at which their error is a third of a place's noise, px."""
    value, *slope = job.render(np.zeros((2, 1)))[:3, 0]
    typical = np.nanmean(job.pixels[:, job.good] if job.good.any() else job.pixels, axis=1)
    weighted = np.where(np.isfinite(typical), job.weights, 0.0) * value
    flux = abs(weighted @ np.nan_to_num(typical)) / max(weighted @ value, 1e-300)
    noise = max(flux ** 2 * min((job.weights * axis) @ axis for axis in slope), 1e-300) ** -0.5
    return float(np.clip((noise / 3 / EXPANSION_ERROR * 8) ** (1 / 3), *CELLS))


def _groups(where, cell):
    """Points of expansion (2, n) and the group of every frame (times,)."""
    steps = np.rint((where - where.mean(axis=1, keepdims=True)) / cell).astype(int)
    distinct, member = np.unique(steps, axis=1, return_inverse=True)
    return cell * distinct + where.mean(axis=1, keepdims=True), member.ravel()


def _statistics(job, where):
    """`StarSpace` of all frames and the point (2, times) about which each is expanded."""
    points, member = _groups(where, job.cell)
    templates, columns = job.render(points), job.around.columns(points)
    precision = job.sigma ** -2.0
    made = psf_space.StarSpace.empty(job.times)
    for group in range(points.shape[1]):
        frames = _selection(member == group)
        pixels = job.pixels[:, frames]
        if job.centre.any():
            pixels = pixels - (job.centre @ columns[group])[:, None]
        part = psf_space.project(pixels, job.errors[:, frames], job.weights, templates[:, group],
                                 columns[group], precision)
        if points.shape[1] == 1:
            return part, np.repeat(points, job.times, axis=1)
        made.put(frames, part)
    return made, points[:, member]


def _selection(chosen):
    """A slice for frames that follow each other, else their indices."""
    index = np.flatnonzero(chosen)
    if index.size and index[-1] - index[0] + 1 == index.size:
        return slice(index[0], index[-1] + 1)
    return index


def _with_priors(job):
    """The job with the priors of the surroundings, measured where the data shall set them.

    A first fit leaves everything free, neighbours' places and the sky as well. What a
    column scatters more than its noise is how much it wanders; where it stands on average, as far
    as that is certain, is the middle of its prior.
    """
    sigma, centre = np.array(job.around.sigma, dtype='f8'), np.zeros(job.around.sigma.size)
    chosen = np.flatnonzero(job.around.measured)
    whole = job.good & np.isfinite((job.pixels + job.errors)[job.weights > 0].sum(axis=0))
    if chosen.size and whole.sum() >= LEAST_FRAMES:
        values, variance = _pilot(job, whole)
        for column in chosen:
            excess = max(metrics.mad(values[column]) ** 2 - variance[column], 0.0)
            sigma[column] = np.hypot(sigma[column], np.sqrt(excess))
            middle = np.median(values[column])
            doubt = 1.57 * (variance[column] + excess) / whole.sum()
            centre[column] = middle * max(1 - doubt / max(middle ** 2, 1e-300), 0.0)
    return replace(job, sigma=sigma, centre=centre)


def _pilot(job, whole):
    """Surroundings (columns, frames) with everything free, and their variance (columns,)."""
    used = job.weights > 0
    frames = np.flatnonzero(whole)
    points, member = _groups(job.shift[:, frames], job.cell)
    templates, columns = job.render(points), job.around.columns(points)
    typical = (job.errors[used][:, frames] ** 2).mean(axis=1)
    count = columns.shape[1]
    values, variance = np.empty((count, frames.size)), np.zeros(count)
    for group in range(points.shape[1]):
        mine = member == group
        design = np.concatenate([columns[group], templates[:3, group]])[:, used]
        filters = _filters(design, job.weights[used])[:count]
        values[:, mine] = filters @ job.pixels[used][:, frames[mine]]
        variance += mine.mean() * (filters ** 2 @ typical)
    return values, variance


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
