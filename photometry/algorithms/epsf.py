"""The effective PRF: how stars of this cube differ from the official PRF, learned from its mean image."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from photometry.algorithms import epsf_basis as basis
from photometry.algorithms import (
    epsf_blocks,
    epsf_few,
    epsf_forms,
    epsf_normal,
    epsf_prior,
    epsf_scene,
    epsf_slopes,
    prf_samples,
    wing,
)
from photometry.algorithms.epsf_system import System
from photometry.algorithms.prf import PRF, Wing
from photometry.core.stamp import Stamp

logger = logging.getLogger(__name__)

LEAST_SIDE, LEAST_STARS = 64, 20
"""Pixels of a side and stars to learn from below which only a few numbers are learned."""

ROUNDS, CHANGES_FROM = 4, 2
"""Alternations of the PRF with fluxes, places, sky and the power law of the wing; the first of them
that asks what the motion does to the pixels."""

ENOUGH_TEACHERS = 1600
"""Stars of all parts of a field together, the brightest of each."""

FOLDS = 5
ENOUGH = 60
"""Stars of which one fifth held out tells enough; with fewer every star is held out in turn."""

EXPONENTS, EXPONENT_STEPS = (1.5, 4.0), (0.5, 0.25, 0.125)
"""Power laws of the wing that are tried: from, to, by what steps."""

AMOUNT_SPREAD = 0.05
TYPICAL, EXPONENT_SPREAD = 3.0, 0.5
"""Priors of the wing: its light over the core's, its power law."""

_STILL = (0.0, 0.0, 0.0)
"""The blur of a single frame."""

SIGNIFICANT = 5
"""Standard errors by which the wing must stand out."""


@dataclass(frozen=True)
class EffectivePRF:
    """A PRF learned from stars, with what tells how good it is.

    Attributes
    ----------
    samples : ndarray (places, 117, 117) float32
        As `photometry.files.prf.PRFSamples`; each sums to 81.
    row, column : ndarray (places,)
        Zero-based places on the CCD, a rectangular grid around the image.
    wing : Wing or None
    stars : int
        Stars learned from.
    degree : int
        Of the change over the CCD.
    rms_before, rms_after : float
        Median over held-out stars of the rms residual over the peak, with the official PRF
        and with one learned from the other stars.
    """

    samples: np.ndarray
    row: np.ndarray
    column: np.ndarray
    wing: Wing | None
    stars: int
    degree: int
    rms_before: float
    rms_after: float
    oversample: int = basis.OVERSAMPLE


def learn(image, row, column, tmag, official, *, origin=(0, 0), exposure=1e6, blur=(0.0, 0.0, 0.0),
          pointings=None):
    """Learn the effective PRF from a mean image.

    Parameters
    ----------
    image : array (rows, columns)
        Mean of the good frames, e-/s, background subtracted; NaN where unknown.
    row, column, tmag : arrays (n,)
        Catalogue stars on and around the image; positions on the CCD in the mean image.
    official : object
        Samples as `photometry.files.prf.PRFSamples`.
    origin : tuple
        Row and column on the CCD of the first pixel.
    exposure : float
        Seconds of light in the mean image.
    blur : tuple
        Variance of the motion over the good frames in rows, its covariance with that in
        columns, the latter's variance, px^2. What is learned is free of it.
    pointings : photometry.algorithms.epsf_slopes.Pointings, optional
        Where the frames stood: what the stars' motion does to the pixels tells what their mean cannot.

    Returns
    -------
    EffectivePRF or None
        None where there are too few stars to learn from, or where held-out stars
        are predicted no better than by the official PRF.
    """
    limits = Stamp(origin[0], origin[0] + image.shape[0], origin[1], origin[1] + image.shape[1])
    stars = np.array([row, column, tmag], dtype='f8')
    stars = stars[:, np.isfinite(stars).all(axis=0)]
    made = None
    if min(limits.shape) >= LEAST_SIDE:
        made = _School(image, stars, official, limits, exposure, blur, pointings).learn()
    return made or _learn_from_few(image, stars, official, limits, exposure, blur)


def _learn_from_few(image, stars, official, limits, exposure, blur):
    """As `learn`, of a field that tells no more than a few numbers."""
    if not epsf_few.LEAST_SIDE <= min(limits.shape) <= max(limits.shape) <= epsf_few.MOST_SIDE:
        return None
    base = surrounding(official, limits)
    law = wing.fit_wing(image, *stars, PRF(base), limits[::2])
    found = epsf_few.learn(image, stars, base, limits, exposure, blur, law)
    if found is None:
        return None
    return EffectivePRF(found.samples.astype('f4'), base.row, base.column, law, found.stars, 0,
                        found.rms_before, found.rms_after)


class _School:
    """The scenes of a field, the present PRF, and what one teaches the other."""

    def __init__(self, image, stars, official, limits, exposure, blur, pointings):
        self.limits, self.blur = limits, blur
        self.base = surrounding(official, limits)
        self.scenes = [epsf_scene.Scene(image[stamp.slices(limits[::2])], stamp, *stars, exposure)
                       for stamp in epsf_blocks.choose(limits, *stars)]
        self.scenes = [scene for scene in self.scenes if scene.row.size and scene.used.mean() > 0.5]
        for scene in self.scenes:
            scene.slopes = epsf_slopes.of_scene(scene, pointings)
        self.most = min(epsf_scene.MOST, ENOUGH_TEACHERS // max(len(self.scenes), 1))
        self.official = self.base.samples.mean(axis=0)
        self.local, self.forms = self.base.samples, epsf_forms.of(self.base.samples)
        self.degree = 0
        self.coefficients = np.zeros((1, basis.SIZE))

    def learn(self):
        """The whole course; see `photometry.algorithms.epsf.learn`."""
        prf = self._prf(self.coefficients)
        for scene in self.scenes:
            scene.update_wings()
            for _ in range(2):
                scene.render(prf)
                scene.fit()
            scene.render(prf)
        number = sum(scene.teachers(self.most).size for scene in self.scenes)
        if number < LEAST_STARS:
            logger.info('%d stars are too few to learn a PRF from.', number)
            return None
        self.precision = epsf_prior.precision(self.official)
        before = self._start(prf)
        degree = epsf_blocks.degree(self.limits, number)
        for turn in range(ROUNDS):
            # what varies over the CCD waits until its mean is known
            self._set_degree(degree if turn >= ROUNDS - 2 else 0)
            self._change_locally()
            self._prepare()
            self._choose_wing(EXPONENT_STEPS if turn == 0 else EXPONENT_STEPS[-1:])
            found, *held_out = self._solve(turn >= CHANGES_FROM, self._folds() if turn == ROUNDS - 1 else 0)
            self._take(*found)
            self._refit()
        others = [self._prf(coefficients) for coefficients, *_ in held_out]
        after = [{star: value for fold, other in enumerate(others) for star, value in zip(
            scene.chosen[fold::FOLDS], scene.residuals(scene.chosen[fold::FOLDS], other), strict=True)}
            for scene in self.scenes]
        return self._certificate(number, before, after)

    # -- one round -------------------------------------------------------------------------------------

    def _start(self, prf):
        """Fit the wing with the official PRF; residuals of its stars, a dictionary a scene."""
        self._prepare()
        self._choose_wing(EXPONENT_STEPS)
        for scene in self.scenes:
            scene.fit()
            scene.render(prf)
        return [dict(zip(scene.chosen, scene.residuals(scene.chosen, prf), strict=True))
                for scene in self.scenes]

    def _set_degree(self, degree):
        """Let the correction change over the field up to some degree; new terms begin at zero."""
        self.degree = degree
        terms = self._terms(*self.limits[::2]).size
        more = np.zeros((terms - len(self.coefficients), basis.SIZE))
        self.coefficients = np.concatenate([self.coefficients, more])

    def _change_locally(self):
        """Let what stretches, smears or skews the PRF do so to that of each place."""
        found = epsf_forms.amounts(basis.to_samples(self.coefficients[0]), self.official)
        forms = self.forms - self.forms.mean(axis=1, keepdims=True)
        self.local = self.base.samples + np.tensordot(found, forms, 1)

    def _prepare(self):
        for scene in self.scenes:
            scene.update_wings()
            scene.judge()
            scene.chosen = scene.teachers(self.most)

    def _choose_wing(self, steps):
        """The power law and the amount that explain most, sought in ever smaller steps."""
        found = {}
        best = self.scenes[0].exponent
        for step in steps:
            new = [exponent for exponent in (best - step, best, best + step)
                   if exponent not in found and EXPONENTS[0] <= exponent <= EXPONENTS[1]]
            for exponent, sums in zip(new, sum(scene.wing_sums(new) for scene in self.scenes), strict=True):
                square = sums[0] + AMOUNT_SPREAD ** -2
                away = (exponent - TYPICAL) / EXPONENT_SPREAD
                found[exponent] = sums[1] ** 2 / square + sums[2] - away ** 2, sums[1] / square
            best = max(found, key=found.get)
        for scene in self.scenes:
            scene.amount = found[best][1]
            scene.set_exponent(best)

    def _refit(self):
        """Fluxes, places and sky with the present PRF."""
        prf = self._prf(self.coefficients)
        for scene in self.scenes:
            scene.render(prf)
            scene.fit()
            scene.render(prf)

    def _solve(self, changes, folds):
        """What all stars teach, and what is learned without those of some folds, a list of `System.solve`."""
        systems = [System(self._orders()) for _ in range(1 + folds)]
        if changes:
            frame = self._prf(self.coefficients, _STILL)
            forms = epsf_prior.steady_changes(self._samples(self.coefficients).mean(axis=0))
        for scene in self.scenes:
            slopes = scene.slopes if changes else None
            if slopes is not None:
                slopes.update(frame, scene.chosen, forms, settled=folds > 0)
            owner, priors = scene.owner(scene.chosen), _priors(scene, slopes)
            terms = self._terms(*_middle(scene.stamp))
            views = self._views(scene, slopes, terms @ self.coefficients)
            every = epsf_normal.sums(views)
            systems[0].add(*every.reduced(priors), terms)
            for fold, system in enumerate(systems[1:]):
                rest = every - epsf_normal.sums(views, _owned(owner, fold))
                system.add(*rest.reduced(priors), terms)
        conserved, due = epsf_prior.conservation(self.official, self.scenes[0].exponent)
        for system in systems:
            system.believe(self.precision, conserved, due, AMOUNT_SPREAD ** -2)
        return [system.solve() for system in systems]

    def _views(self, scene, slopes, coefficients):
        changes = [] if slopes is None else slopes.views(scene.chosen, coefficients)
        return [epsf_normal.mean_view(scene, coefficients, self.blur), *changes]

    def _take(self, coefficients, amount, error):
        self.coefficients, self.amount_error = coefficients, error
        for scene in self.scenes:
            scene.amount = amount

    # -- what it is worth ------------------------------------------------------------------------------

    def _folds(self):
        """How many fifths of the stars are held out in turn: few stars are all asked."""
        number = sum(scene.chosen.size for scene in self.scenes)
        return 1 if number >= FOLDS * ENOUGH or self.degree else FOLDS

    def _certificate(self, number, before, after):
        pairs = np.array([(old[star], new[star]) for old, new in zip(before, after, strict=True)
                          for star in new if star in old])
        if not len(pairs):
            return None
        rms_before, rms_after = (float(value) for value in np.median(pairs, axis=0))
        logger.info('Effective PRF from %d stars: held-out stars leave %.4f of their peak, %.4f with the '
                    'official one.', number, rms_after, rms_before)
        if not rms_after < rms_before:
            return None
        samples = self._samples(self.coefficients).astype('f4')
        return EffectivePRF(samples, self.base.row, self.base.column, self._wing(), number, self.degree,
                            rms_before, rms_after)

    def _wing(self):
        amount = self.scenes[0].amount
        if not amount > SIGNIFICANT * self.amount_error:
            return None
        return Wing(float(amount / (1 + amount)), float(self.scenes[0].exponent))

    # -- the PRF over the field ------------------------------------------------------------------------

    def _orders(self):
        return [order for order in range(self.degree + 1) for _ in range(order + 1)]

    def _terms(self, row, column):
        """Terms of the change over the CCD at a place, the field being within -1..1."""
        low, high, left, right = self.limits
        down = 2 * (row - low) / (high - 1 - low) - 1
        along = 2 * (column - left) / (right - 1 - left) - 1
        return np.array([down ** (order - k) * along ** k for order in range(self.degree + 1)
                         for k in range(order + 1)])

    def _samples(self, coefficients):
        """Samples at all places, each summing to 81."""
        terms = np.array([self._terms(*place) for place in zip(self.base.row, self.base.column, strict=True)])
        made = self.local + basis.to_samples(terms @ coefficients)
        made = np.maximum(made, 0)
        return made * (basis.OVERSAMPLE ** 2 / made.sum(axis=(1, 2), keepdims=True))

    def _prf(self, coefficients, blur=None):
        """The PRF as the mean image shows it, or with another blur."""
        blur = self.blur if blur is None else blur
        return PRF(_Samples(basis.blurred(self._samples(coefficients), blur), self.base.row,
                            self.base.column))


@dataclass(frozen=True)
class _Samples:
    samples: np.ndarray
    row: np.ndarray
    column: np.ndarray
    oversample: int = basis.OVERSAMPLE


def _priors(scene, slopes):
    """Inverse variances of what `epsf_normal.Normal` eliminates, in its order."""
    responses, levels = ((), ()) if slopes is None else slopes.precision()
    return np.concatenate([scene.prior(scene.chosen)[0], responses, scene.wide_precision, levels])


def _owned(owner, fold):
    """Pixels of the stars that are held out together."""
    return (owner >= 0) & (owner % FOLDS == fold)


def _middle(stamp):
    return (stamp.row_min + stamp.row_max - 1) / 2, (stamp.col_min + stamp.col_max - 1) / 2


def surrounding(official, limits):
    """The official samples at the places around an image, each summing to 81."""
    kept = np.ones(len(official.row), dtype=bool)
    for axis, low, high in ((official.row, *limits[:2]), (official.column, *limits[2:])):
        grid = np.unique(axis)
        first = min(max(np.searchsorted(grid, low, 'right') - 1, 0), grid.size - 2)
        last = max(min(np.searchsorted(grid, high - 1), grid.size - 1), first + 1)
        kept &= (axis >= grid[first]) & (axis <= grid[last])
    samples = prf_samples.filled(np.array(official.samples[kept], dtype='f8'))
    samples *= basis.OVERSAMPLE ** 2 / samples.sum(axis=(1, 2), keepdims=True)
    return _Samples(samples, np.asarray(official.row[kept], 'f8'), np.asarray(official.column[kept], 'f8'))
