"""A PRF from few stars: the official one smeared, stretched and made lopsided as far as a mean image asks."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np

from photometry.algorithms import epsf_basis as basis
from photometry.algorithms import epsf_forms, masks, missing_stars
from photometry.algorithms.prf import PRF
from photometry.core import units

logger = logging.getLogger(__name__)

LEAST_SIDE, MOST_SIDE = 11, 100
"""Sides of an image from and up to which its stars are looked at, px."""

SMEAR, SKEW, STRETCH = 0.06, 0.04, 0.04
"""Standard deviations that are expected of the `epsf_forms`: px^2, px^3, parts."""

FLUX_SPREAD, PLACE_SPREAD = 0.5, 0.1
"""Priors of a star: flux (relative) and place (px) against catalogue or first sight."""

SKY, SKY_SPREAD = 100.0, 10.0
"""Light of the sky and prior of the level and slopes left of it, e-/s a pixel."""

MODEL_ERROR, OUTSKIRT_ERROR, LEAST_NOISE = 0.003, 1e-4, 0.03
"""What the model may be wrong by: part of the light in a pixel, of all light of a star; least noise, e-/s."""

CLIP = 4.0
"""Errors from which pixels lose weight."""

CORE = 3.0
"""Distance from the star up to which pixels judge, px."""

ROUNDS, STEPS, MOST_STEP = 3, 4, 0.3
"""How often stars are looked for with the newest PRF; steps of the fit each time; their length, px."""

MARGIN = 7
"""Pixels beyond the edge where stars of the catalogue count."""

INSIDE, PURITY, BRIGHT = 3, 0.8, 50.0
"""Stars that teach: pixels from the edge; part of the light in their brightest pixel that is theirs; that
light over the noise."""

OTHERS_ERROR = 0.05
"""What the images of all other stars may be wrong by, parts."""

NEAREST = 0.75
"""Least distance of a star that is added from those known, px."""

PRICE, LARGEST = 2.0, 1.4
"""Chi square that each form must explain (what left-out pixels would ask on average, Akaike 1974); rms of the
forms over what is expected from which it is no PRF but two stars in one."""


class Correction(NamedTuple):
    """What few stars tell of the PRF."""

    samples: np.ndarray
    """(places, 117, 117); each place sums to 81."""
    amounts: np.ndarray
    """Of the `epsf_forms`."""
    stars: int
    """Stars learned from."""
    rms_before: float
    """Of what is left near them over the highest peak: with the official PRF,"""
    rms_after: float
    """with this one."""


def learn(image, stars, base, stamp, exposure, blur, wing=None) -> Correction | None:
    """Correct the official PRF by what the few stars of a small image show.

    Parameters
    ----------
    image : array (rows, columns)
        Mean of the good frames, e-/s, background subtracted; NaN where unknown.
    stars : array (3, n)
        Rows, columns and magnitudes of catalogue stars on and around the image; the
        catalogue may lack most of those that are seen.
    base : object
        Official samples at places around the image (`photometry.algorithms.epsf.surrounding`).
    stamp : Stamp
        Pixels of the image on the CCD.
    exposure, blur
        As for `photometry.algorithms.epsf.learn`.
    wing : photometry.algorithms.prf.Wing, optional

    Returns
    -------
    Correction or None
        None where no star tells, where a correction explains too little, or where it is too large.
    """
    near = stamp.grown(*[MARGIN] * 4)
    inside = np.array([near.contains(*place) for place in stars[:2].T], dtype=bool)
    known = np.concatenate([stars[:2], [units.magnitude_to_flux(stars[2])]])[:, inside]
    model = _Model(base, blur, wing)
    scene = _Scene(image, stamp, exposure, known)
    if not scene.used.any():
        return None
    for _ in range(ROUNDS):
        scene.fit(model)
        scene.look(model)
        scene.fit(model)
    return scene.judge(model)


class _Model:
    """The official PRF and what is added to it."""

    def __init__(self, base, blur, wing):
        self.base, self.blur, self.wing = base, blur, wing
        self.images = epsf_forms.of(base.samples)
        self.spread = epsf_forms.spreads(SMEAR, SKEW, STRETCH)
        self.official = self._prf(base.samples)
        self.parts = [self._prf(base.samples + image) for image in self.images]
        self.amounts = np.zeros(len(self.images))

    def _prf(self, samples):
        samples = basis.blurred(samples, self.blur)
        return PRF(_Samples(samples, self.base.row, self.base.column), self.wing)

    def samples(self):
        """Corrected samples; each place sums to 81."""
        made = np.maximum(self.base.samples + np.tensordot(self.amounts, self.images, 1), 0)
        return made * (basis.OVERSAMPLE ** 2 / made.sum(axis=(1, 2), keepdims=True))

    @property
    def prf(self):
        """The corrected PRF as the mean image shows it."""
        return self._prf(self.samples()) if self.amounts.any() else self.official

    def columns(self, stars, stamp):
        """Light that one unit of each form gives the stars, (forms, pixels)."""
        official = self.official.render(*stars[:2], stamp)
        return np.stack([np.tensordot(stars[2], part.render(*stars[:2], stamp) - official, 1).ravel()
                         for part in self.parts])


class _Samples(NamedTuple):
    samples: np.ndarray
    row: np.ndarray
    column: np.ndarray
    oversample: int = basis.OVERSAMPLE


class _Scene:
    """The image, its stars (row, column, flux), and how they fit."""

    def __init__(self, image, stamp, exposure, stars):
        self.stamp, self.exposure = stamp, exposure
        bad = ~np.isfinite(image) | masks.bleeding(masks.saturated(image))
        self.used = ~bad.ravel()
        self.image = np.where(bad, 0.0, image).ravel()
        self.stars, self.expected = stars.copy(), stars.copy()
        rows, columns = (np.linspace(-1, 1, size) for size in stamp.shape)
        self.sky = np.stack([np.ones(image.size), np.repeat(rows, columns.size), np.tile(columns, rows.size)])
        self.level, self.noise, self.robust = np.zeros(3), LEAST_NOISE, np.ones(image.size)
        self.free = True

    def render(self, prf):
        """Images (3, n, pixels) of the stars and their derivatives by row and column."""
        images = np.stack(prf.render(*self.stars[:2], self.stamp, derivatives=1))
        self.templates = images.reshape(*images.shape[:2], self.image.size)
        self.light = self.stars[2][:, None] * self.templates[0]
        self.rest = self.image - self.light.sum(axis=0) - self.level @ self.sky

    def weights(self):
        """Inverse variances (pixels,): noise and what may be wrong with the images of the stars."""
        total = np.maximum(self.light, 0).sum(axis=0)
        teachers = self.teachers()
        others = self.light.sum(axis=0) - self.light[teachers].sum(axis=0)
        variance = ((total + SKY) / self.exposure + self.noise ** 2 + (MODEL_ERROR * total) ** 2
                    + ((OUTSKIRT_ERROR * self.stars[2]) ** 2).sum() + (OTHERS_ERROR * others) ** 2)
        return np.where(self.used, self.robust / variance, 0.0)

    def teachers(self):
        """Bright stars that stand well inside the image and rule their place."""
        inner = self.stamp.grown(-INSIDE, -INSIDE, -INSIDE, -INSIDE)
        peak = self.light.argmax(axis=1)
        own = self.light[np.arange(peak.size), peak]
        inside = np.array([inner.contains(*place) for place in self.stars[:2].T], dtype=bool)
        return np.flatnonzero(inside & self.used[peak] & (own > PURITY * self.light.sum(axis=0)[peak])
                              & (own > BRIGHT * self.noise))

    def fit(self, model, weight=None):
        """Amounts of the forms, fluxes, places and sky, step by step; with new weights each or given ones."""
        for _ in range(STEPS):
            self.render(model.prf)
            if weight is None:
                self._measure_noise()
            self._step(model, self.weights() if weight is None else weight)
        self.render(model.prf)

    def _step(self, model, weight):
        scaled, prior, spread = self._equations(model)
        normal = (scaled * weight) @ scaled.T + np.eye(spread.size)
        step = spread * np.linalg.solve(normal, scaled @ (weight * self.rest) - prior)
        count = len(model.amounts) if self.free else 0
        if count:
            model.amounts = model.amounts + step[:count]
        self.level = self.level + step[count:count + len(self.level)]
        flux, *place = step[count + len(self.level):].reshape(3, -1)
        self.stars = self.stars + np.stack([*np.clip(place, -MOST_STEP, MOST_STEP), flux])

    def _equations(self, model):
        """Light (unknowns, pixels) of one deviation each; how many these are by now; the deviations."""
        flux = self.stars[2]
        value, down, right = self.templates
        design = [self.sky, value, flux[:, None] * down, flux[:, None] * right]
        spread = [np.full(len(self.level), SKY_SPREAD), FLUX_SPREAD * np.abs(self.expected[2]) + 1.0,
                  np.full(2 * flux.size, PLACE_SPREAD)]
        away = [self.level, flux - self.expected[2], (self.stars - self.expected)[:2].ravel()]
        if self.free:
            design.insert(0, model.columns(self.stars, self.stamp))
            spread.insert(0, model.spread)
            away.insert(0, model.amounts)
        spread = np.concatenate(spread)
        return np.concatenate(design) * spread[:, None], np.concatenate(away) / spread, spread

    def _measure_noise(self):
        light = self.light.sum(axis=0)
        dark = self.used & (light <= np.percentile(light[self.used], 40))
        self.noise = max(LEAST_NOISE, 1.4826 * np.median(np.abs(self.rest[dark])))
        self.robust = np.ones(self.image.size)
        ratio = np.abs(self.rest) * np.sqrt(self.weights())
        scale = max(1.0, 1.4826 * np.median(ratio[self.used]))
        self.robust = np.minimum(1.0, CLIP * scale / np.maximum(ratio, 1e-9))

    def look(self, model):
        """Add stars that are seen and not known."""
        noise = (np.maximum(self.image, 0) + SKY) / self.exposure
        shape = self.stamp.shape
        noise = np.where(self.used, noise, np.inf)
        found = missing_stars.find(self.rest.reshape(shape), noise.reshape(shape), model.prf, self.stamp,
                                   *self.stars, self.light.sum(axis=0).reshape(shape))
        new = np.stack(found[:3])
        apart = np.hypot(*(new[:2, :, None] - self.stars[:2, None, :]))
        new = new[:, (apart > NEAREST).all(axis=1)]
        self.stars = np.concatenate([self.stars, new], axis=1)
        self.expected = np.concatenate([self.expected, new], axis=1)

    def judge(self, model):
        """The correction, if it explains more than chance does and is no more than PRFs differ by."""
        teachers = self.teachers()
        if not teachers.size:
            return None
        number, close, peak = teachers.size, self._close(teachers), self.light[teachers].max()
        gain, used, *rests = self._compared(model)
        after, before = (float(np.sqrt(np.mean(rest[close] ** 2)) / peak) for rest in rests)
        size = float(np.sqrt(np.mean((model.amounts / model.spread) ** 2)))
        logger.info('PRF from %d stars: chi square falls by %.1f for %.1f forms, %.1f of what is expected; '
                    '%.4f of the peak is left near them, %.4f with the official one.',
                    number, gain, used, size, after, before)
        if not (gain > PRICE * used and size < LARGEST and after < before):
            return None
        return Correction(model.samples(), model.amounts, number, before, after)

    def _compared(self, model):
        """What the forms gain in chi square, how many the pixels decide, residuals with and without them."""
        weight, after = self.weights(), self.rest
        square, freedom = self._cost(model, weight)
        kept = self.stars, self.level, model.amounts
        model.amounts, self.free = np.zeros_like(model.amounts), False
        self.fit(model, weight)
        alone, least = self._cost(model, weight)
        before = self.rest
        (self.stars, self.level, model.amounts), self.free = kept, True
        return alone - square, freedom - least, after, before

    def _close(self, teachers):
        """Pixels near stars that teach."""
        rows, columns = (np.arange(*side) for side in (self.stamp[:2], self.stamp[2:]))
        distance = np.hypot(rows[:, None, None] - self.stars[0, teachers],
                            columns[:, None] - self.stars[1, teachers])
        return self.used & (distance.min(axis=2).ravel() < CORE)

    def _cost(self, model, weight):
        """Chi square, and how many unknowns the pixels decide rather than what is expected."""
        scaled, prior, _ = self._equations(model)
        normal = (scaled * weight) @ scaled.T
        return weight @ self.rest ** 2, np.trace(np.linalg.solve(normal + np.eye(prior.size), normal))
