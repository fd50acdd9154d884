"""Stars that a mean image shows and the catalogue lacks."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from photometry.algorithms import metrics

SIGNIFICANCE = 6.0
"""Errors by which a star must stand out; they hold the noise and the doubt of other stars' images."""

CROWDING = 3.0
"""How much brighter it must be than the crowd of those too faint to be found."""

DOUBT = 0.05
"""Part of the brightest light within two pixels by which a model of the starlight may be
wrong: it weighs the pixels of a star alike, so that the core and not the rim decides."""

SKY_DOUBT = 0.3
"""What sky and far wings may leave in a pixel, e-/s."""

REACH = 12
"""Distance from a known star up to which the doubt of its image is learned, px."""

STEP = 0.5
"""Width of the rings in which it is learned, px."""

FLOOR, FLOOR_SCALE = 0.004, 3.0
"""Least doubt of a known star's image as a part of its flux in the fit of another star on
top of it, and the distance in px over which it falls by a factor e."""

UNLEARNED, TEACHERS = 0.03, 5
"""The same where fewer known stars than these tell."""

SMEAR = 15
"""Half length of the piece of a column whose median is taken for its straps and trails, px."""

LIKENESS, EVIDENT = 0.6, 0.85
"""Part of the squares around a peak that a star must explain, and to be evident."""

BLENDED, GLARING, FAIR = 0.3, 3.0, 0.7
"""Part that a star must explain which is so many times brighter than it need be, for there may be two;
how much fainter an evident one may be."""

NEAREST = 1.0
"""Distance from a known star within which another is believed only if unmistakable, px."""

STRIDE = 5
"""Rows that share a median."""

BRIGHT = 3.0
"""Doubt of the known starlight above which pixels have no part in it, e-/s."""

HALF, EXTENT = 2, 6
"""Half widths of the pixels that place a star, and of its image, px."""

SETTLED = 0.2
"""Displacement of the last round that a star may make, px."""

EDGE = 1
"""Pixels within and beyond the edge where a star must be evident."""

PAD = 9
ROUNDS = 6


class MissingStars(NamedTuple):
    """Stars found: zero-based places on the CCD, fluxes in e-/s, flux over its error; all (n,)."""

    row: np.ndarray
    column: np.ndarray
    flux: np.ndarray
    significance: np.ndarray


def find(residual, variance, prf, stamp, known_row, known_column, known_flux, light, *,
         significance=SIGNIFICANCE) -> MissingStars:
    """Stars in what a model of all known ones leaves of a mean image.

    Every pixel gets the flux of a star on a local level by least squares
    (a matched filter). Its error holds the noise and what the images of the known stars may leave
    behind: the latter is learned from the residual around all known stars
    together, as a part of their flux in rings, so that a wrong PRF makes the
    finder careful and a good one bold. Peaks are refined with the PRF one by
    one, the others taken away, and must look like stars.

    Parameters
    ----------
    residual : array (rows, columns)
        Mean image less stars and sky, e-/s; NaN where it does not count.
    variance : array (rows, columns)
        Of the mean image's noise, (e-/s)^2; infinite for saturated and bleeding pixels.
    prf : photometry.algorithms.prf.PRF
    stamp : Stamp
        Pixels of the arrays on the CCD.
    known_row, known_column, known_flux : arrays (n,)
        The stars of the model, e-/s, those outside the stamp that shine on it, too.
    light : array (rows, columns)
        The model's starlight, e-/s.
    significance : float

    Returns
    -------
    MissingStars
        Brightest first; empty where nothing is missing.
    """
    known = np.stack([np.asarray(values, 'f8') for values in (known_row, known_column, known_flux)], axis=1)
    field = _Field(residual, variance, prf, stamp, known, light, significance)
    found = np.zeros((0, 3))
    for _ in range(ROUNDS):
        peaks = field.peaks(found)
        before = len(found)
        if len(peaks):
            found = field.refined(np.concatenate([found, peaks]))
        if len(found) <= before:
            break
    found = found[np.argsort(-found[:, 2], kind='stable')]
    return MissingStars(*found.T, found[:, 2] / np.hypot(field.at(field.error, found), field.crowd))


class _Field:
    """The residual with its weights, and the error of a star's flux at every pixel."""

    def __init__(self, residual, variance, prf, stamp, known, light, significance):
        self.prf, self.stamp, self.known, self.significance = prf, stamp, known, significance
        self.used = np.isfinite(residual) & np.isfinite(variance) & (variance > 0)
        rest = np.where(self.used, residual, 0.0)
        doubt = np.hypot(SKY_DOUBT, DOUBT * _widest(np.maximum(np.nan_to_num(light) + rest, 0)))
        dark = self.used & (DOUBT * _widest(np.nan_to_num(light)) < BRIGHT)
        self.residual = np.where(self.used, rest - _column_level(np.where(dark, rest, np.nan)), 0.0)
        self.weight = np.where(self.used, 1 / (np.where(self.used, variance, 1.0) + doubt**2), 0.0)
        middle = (stamp.row_min + stamp.row_max) // 2, (stamp.col_min + stamp.col_max) // 2
        self.kernel = prf.render_at(*map(float, middle), HALF)[0][0]
        self._normal()

    def _normal(self):
        """Sums that do not depend on the data."""
        ones = np.ones_like(self.kernel)
        self._sums = [_correlate(self.weight, kernel) for kernel in (ones, self.kernel, self.kernel**2)]
        whole = _correlate(self.used.astype('f8'), self.kernel**2)
        self.seen = whole > 0.6 * (self.kernel**2).sum()

    def flux(self, residual):
        """Flux (rows, columns) of a star on each pixel, a level free; NaN where none can be told."""
        weighted = self.weight * residual
        level = _correlate(weighted, np.ones_like(self.kernel))
        star = _correlate(weighted, self.kernel)
        one, value, square = self._sums
        determinant = one * square - value**2
        good = self.seen & (determinant > 1e-12 * one * square)
        return np.where(good, (one * star - value * level) / np.where(good, determinant, 1.0), np.nan)

    def _error(self, flux, found):
        """Error of a star on every pixel, from noise and the doubt of others, and the flux of the crowd."""
        one, value, square = self._sums
        determinant = one * square - value**2
        good = self.seen & (determinant > 1e-12 * one * square)
        noise = np.where(good, one / np.where(good, determinant, 1.0), np.inf)
        doubt = self._doubt(flux, found)
        calm = np.isfinite(flux) & (doubt <= metrics.median(doubt.ravel()))
        below = flux[calm & (flux < 0)]
        crowd = 1.4826 * np.median(np.abs(below)) if below.size > 30 else 0.0
        return np.sqrt(noise + doubt**2), crowd

    def _doubt(self, flux, found):
        """What known and found stars may leave in the flux of another one, (rows, columns)."""
        scale = self._learned(flux, self._bright)
        square = np.square(self._bright.doubts(scale))
        if len(found):
            square += np.square(_Rings(found, self.stamp).doubts(scale))
        return np.sqrt(square)

    @cached_property
    def _bright(self):
        return _Rings(self.known[self.known[:, 2] > 0], self.stamp)

    def _learned(self, flux, bright):
        """Doubt of a known star's image by the distance, as a part of its flux."""
        rings = np.arange(0, REACH + STEP, STEP)
        least = FLOOR * np.exp(-rings / FLOOR_SCALE)
        scale = UNLEARNED / FLOOR * least
        if len(bright.flux) < TEACHERS:
            return scale
        owned, owner, ring = bright.owned(least)
        owned &= np.isfinite(flux)
        owner, ring = owner[owned], ring[owned]
        part = np.abs(flux[owned]) / bright.flux[owner]
        teachers = np.zeros((len(rings), len(bright.flux)), dtype=bool)
        teachers[ring, owner] = True
        teachers = teachers.sum(axis=1)
        # Numbers of one byte are sorted in no time.
        part = part[np.argsort(ring.astype('uint8'), kind='stable')]
        parts = np.split(part, np.cumsum(np.bincount(ring, minlength=len(rings))))
        for i in np.flatnonzero(teachers >= TEACHERS):
            scale[i] = max(least[i], 1.4826 * metrics.median(parts[i]))
        return scale

    def peaks(self, found):
        """Pixels (n, 3) on which another star seems to stand."""
        from scipy import ndimage
        flux = self.flux(_Overlay(self, found).rest_on_stamp())
        self.error, self.crowd = self._error(flux, found)
        ratio = np.nan_to_num(flux / self.limit, nan=0.0, posinf=0.0, neginf=0.0)
        top = (ratio == ndimage.maximum_filter(ratio, 5)) & (ratio > 0.8)
        place = np.argwhere(top)
        return np.column_stack([place + self.stamp[::2], flux[top]]).reshape(-1, 3)

    @property
    def limit(self):
        """Flux from which a star is believed, (rows, columns)."""
        return np.maximum(self.significance * self.error, CROWDING * self.crowd)

    def at(self, image, stars):
        """Values of an image where stars (n, 3) are."""
        if not len(stars):
            return np.zeros(0)
        row, column = (np.clip(np.rint(stars[:, axis]).astype(int) - self.stamp[2 * axis], 0, size - 1)
                       for axis, size in enumerate(self.stamp.shape))
        return image[row, column]

    def refined(self, stars, rounds=4):
        """Stars with places and fluxes of their own, those that do not convince left out."""
        stars = stars[np.argsort(-stars[:, 2], kind='stable')]
        start = stars[:, :2].copy()
        for _ in range(rounds):
            before = stars
            stars, likeness = _Overlay(self, stars).improved()
        bright = stars[:, 2] / self.at(self.limit, stars)
        kept = (np.abs(stars - before)[:, :2] < SETTLED).all(axis=1) & (stars[:, 2] < 1.3 * before[:, 2])
        kept &= likeness > np.select([bright > GLARING, bright > 1, bright > FAIR],
                                     [BLENDED, LIKENESS, EVIDENT], np.inf)
        kept &= (np.abs(stars[:, :2] - start) < 1.5).all(axis=1) & self._unmistakable(stars, likeness)
        inner, outer = self.stamp.grown(*[-EDGE] * 4), self.stamp.grown(*[EDGE] * 4)
        kept &= np.array([outer.contains(*star[:2]) for star in stars], dtype=bool)
        kept &= (likeness > EVIDENT) | [inner.contains(*star[:2]) for star in stars]
        return stars[kept]

    def _unmistakable(self, stars, likeness):
        """Whether stars stand apart from all known ones, or are too bright to be their residual."""
        if not len(self.known):
            return np.ones(len(stars), dtype=bool)
        distance = np.hypot(*(stars[:, None, :2] - self.known[None, :, :2]).transpose(2, 0, 1))
        near = distance < NEAREST
        rival = np.where(near, self.known[None, :, 2], 0.0).max(axis=1)
        return ~near.any(axis=1) | ((stars[:, 2] > 0.5 * rival) & (likeness > EVIDENT))


class _Rings:
    """Pixels around stars (n, 3), in rings by their distance."""

    def __init__(self, stars, stamp):
        self.flux, self.shape = stars[:, 2], stamp.shape
        step = np.arange(-REACH, REACH + 1)
        rows, columns = (np.rint(stars[:, axis]).astype(int)[:, None] + step for axis in (0, 1))
        distance = np.hypot((rows - stars[:, :1])[:, :, None], (columns - stars[:, 1:2])[:, None, :])
        rows, columns = rows - stamp.row_min, columns - stamp.col_min
        inside = (((rows >= 0) & (rows < stamp.height))[:, :, None]
                  & ((columns >= 0) & (columns < stamp.width))[:, None, :])
        self.place = (rows[:, :, None] * stamp.width + columns[:, None, :])[inside]
        self.ring = np.minimum((distance[inside] / STEP + 0.5).astype(int), round(REACH / STEP))
        self.star = np.repeat(np.arange(len(stars)), inside.sum(axis=(1, 2)))

    def _values(self, scale):
        return self.flux[self.star] * scale[self.ring]

    def _total(self, values):
        total = np.bincount(self.place, values ** 2, minlength=self.shape[0] * self.shape[1])
        return np.sqrt(total).reshape(self.shape)

    def doubts(self, scale):
        """Root of the squares of the stars' doubts in each pixel, (rows, columns)."""
        return self._total(self._values(scale))

    def owned(self, scale):
        """Pixels in which one star's doubt rules, that star and its ring: three (rows, columns)."""
        values = self._values(scale)
        total = self._total(values)
        strongest, owner, ring = np.zeros(total.size), *np.zeros((2, total.size), dtype=int)
        np.maximum.at(strongest, self.place, values)
        first = np.flatnonzero(values == strongest[self.place])
        ring[self.place[first]] = self.ring[first]
        owner[self.place[first]] = self.star[first]
        strongest, owner, ring = (made.reshape(self.shape) for made in (strongest, owner, ring))
        return (strongest > 0.7 * total) & (total > 0), owner, ring


class _Overlay:
    """Stars laid over the residual, each to be improved while the others are taken away."""

    def __init__(self, field, stars):
        self.stars = stars.copy()
        self.origin = field.stamp.row_min - PAD, field.stamp.col_min - PAD
        # of a star beyond the edge the pixels cannot tell how far away and how bright it is
        beyond = EDGE + 0.4
        self.limits = np.array(field.stamp[::2]) - beyond, np.array(field.stamp[1::2]) - 1 + beyond
        self.rest, self.weight = (np.pad(values, PAD) for values in (field.residual, field.weight))
        if len(stars):
            self.images, *first = field.prf.render_at(*np.clip(stars[:, :2], *self.limits).T, EXTENT,
                                                      derivatives=True)
            self.first = np.stack(first, axis=1) - self.origin
            for i in range(len(stars)):
                self.rest[self._window(i)] -= stars[i, 2] * self.images[0][i]

    def rest_on_stamp(self):
        """The residual without the stars."""
        return self.rest[PAD:-PAD, PAD:-PAD]

    def improved(self):
        """Stars with a step of place and flux each, and how much of its squares each explains."""
        likeness = np.zeros(len(self.stars))
        for i in range(len(self.stars)):
            likeness[i] = self._improve(i)
        return self.stars, likeness

    def _window(self, i):
        row, column = self.first[i]
        return np.s_[row:row + 2 * EXTENT + 1, column:column + 2 * EXTENT + 1]

    def _improve(self, i):
        middle = slice(EXTENT - HALF, EXTENT + HALF + 1)
        window, inner = self._window(i), (middle, middle)
        rest, flux = self.rest[window], self.stars[i, 2]
        value, down, right = (image[i] for image in self.images)
        rest += flux * value
        weight, data = self.weight[window][inner].ravel(), rest[inner].ravel()
        design = np.stack([value[inner].ravel(), flux * down[inner].ravel(), flux * right[inner].ravel(),
                           np.ones(data.size)])
        solution = np.linalg.pinv((design * weight) @ design.T, hermitian=True) @ ((design * weight) @ data)
        step = np.clip(solution[1:3], -0.5, 0.5)
        low, high = self.limits
        step = np.clip(self.stars[i, :2] + step, low, high) - self.stars[i, :2]
        self.stars[i] += [*step, solution[0] - flux]
        rest -= solution[0] * (value + step[0] * down + step[1] * right)
        before = weight @ (data - weight @ data / max(weight.sum(), 1e-30)) ** 2
        after = data - solution @ design
        # the weighted squares may come from the rim alone; the core must show, too
        core = (weight > 0) * value[inner].ravel() ** 2
        shown = 1 - core @ after**2 / max(core @ (data - solution[3]) ** 2, 1e-30)
        return min(1 - weight @ after**2 / max(before, 1e-30), shown)


def _column_level(image):
    """Median of the piece of column around each pixel: straps and trails, which are no stars."""
    from numpy.lib.stride_tricks import sliding_window_view
    length = 2 * SMEAR + 1
    if len(image) < length:
        return np.zeros_like(image)  # too little of a column to tell a strap from stars
    windows = sliding_window_view(image, length, axis=0)
    start = np.clip(np.arange(0, len(image), STRIDE) + STRIDE // 2 - SMEAR, 0, len(windows) - 1)
    return np.repeat(_medians(windows[start]), STRIDE, axis=0)[:len(image)]


def _medians(values):
    """Medians along the last axis of what is finite, 0 where that is less than half."""
    values = np.sort(values, axis=-1)  # NaN comes last
    number = np.isfinite(values).sum(axis=-1)
    pair = [np.take_along_axis(values, np.maximum(half, 0)[..., None], axis=-1)[..., 0]
            for half in ((number - 1) // 2, number // 2)]
    return np.where(2 * number > values.shape[-1], (pair[0] + pair[1]) / 2, 0.0)


def _widest(light):
    """Brightest light within two pixels."""
    from scipy import ndimage
    return ndimage.maximum_filter(light, 5)


def _correlate(image, kernel):
    from scipy import ndimage
    return ndimage.correlate(image, kernel, mode='constant')
