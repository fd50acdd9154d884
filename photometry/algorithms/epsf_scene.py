"""Stars of a part of a mean image, fitted all at once: what the effective PRF is learned from."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import masks
from photometry.algorithms.prf import CORE, HALF, Wing
from photometry.algorithms.wing_images import RADIUS, WingImages
from photometry.core import units

SKY, SKY_ERROR = 100.0, 0.03
"""Light of the sky and least error of its subtraction, e-/s a pixel."""

MODEL_ERROR, SATURATED_ERROR = 0.003, 0.1
"""Error of the model as a part of a star's light in a pixel; where its core is saturated."""

OUTSKIRT_ERROR, WING_ERROR = 2e-5, 0.1
"""Error of the model as a part of all light of a star; of its wing, as a part of that."""

CORE_ERROR, LAW_ERROR = 0.1, 0.2
"""Errors when the power law of the wings is chosen: of the cores as a part of their light; of any
such law where wings end, e-/s."""

FLUX_SPREAD, PLACE_SPREAD, SATURATED_SPREAD = 0.5, 0.08, 0.01
"""Priors: flux against its magnitude (relative), place against the catalogue, px."""

STEP = 0.3
"""Longest step of a star, px."""

CLIP = 5.0
"""Deviations, in units of their robust scatter, beyond which pixels lose weight."""

DEGREE, SKY_SPREAD = 2, 1.0
MESH, MESH_SPREAD = 40, 0.03
"""The sky that is left: degree of a polynomial over the scene with the prior of each term, e-/s;
knots of a spline for the errors of its subtraction, px, and their size, e-/s."""

GIANTS, GIANT, GIANT_SPREAD = 20, 6.8, 0.5
"""Saturated stars whose wings have an amplitude of their own: how many at most, their magnitude,
the prior of the amplitude over what is expected."""

TYPICAL_WING = 0.03

MOST, FAINTEST, PURITY = 300, 200.0, 0.7
"""Stars learned from at once; their least signal to noise in the brightest pixel; least part
of the light on their central pixels that must be theirs."""

_REACH = HALF + 2


class Scene:
    """One part of the mean image with its stars.

    Light of the sky and of the wings of saturated stars, whose cores tell nothing,
    are the columns of ``wide`` with the factors ``level``. All other wings are one
    image, ``wings``, times ``amount``, the wing's light over the core's.

    Parameters
    ----------
    image : array (rows, columns)
        Mean of the good frames, e-/s, without sky; NaN where unknown.
    stamp : photometry.core.stamp.Stamp
    row, column, tmag : arrays (n,)
        Catalogue stars, those whose wings come in from outside included.
    exposure : float
        Seconds of light in the mean image.

    Attributes
    ----------
    row, column, flux : arrays (near,)
        Stars on the stamp or so near that their cores reach it; flux of the core, e-/s.
    slopes : photometry.algorithms.epsf_slopes.SceneSlopes or None
        What the motion of the frames does to the pixels, where that is known.
    """

    def __init__(self, image, stamp, row, column, tmag, exposure):
        self.stamp, self.exposure = stamp, exposure
        bad = ~np.isfinite(image) | masks.bleeding(masks.saturated(image))
        self.used = ~bad.ravel()
        self.image = np.where(self.used, image.ravel(), 0.0)
        flux = units.magnitude_to_flux(tmag)
        near = ((row > stamp.row_min - _REACH) & (row < stamp.row_max - 1 + _REACH)
                & (column > stamp.col_min - _REACH) & (column < stamp.col_max - 1 + _REACH))
        self.catalog = np.stack([row[near], column[near]])
        self.row, self.column, self.flux = row[near], column[near], flux[near]
        self.expected = self.flux.copy()
        self.saturated = self._lack_centre(bad)
        reach = stamp.grown(*[RADIUS] * 4)
        far = (~near & (row > reach.row_min) & (row < reach.row_max)
               & (column > reach.col_min) & (column < reach.col_max))
        self._share_wings(row[far], column[far], flux[far])
        self.amount, self.exponent = 0.0, 3.0
        self.noise = SKY_ERROR
        self.robust = np.ones(self.image.size)
        self.slopes = None

    def _lack_centre(self, bad):
        """Stars that lack one of their nine central pixels, though they lie on the stamp."""
        found = np.zeros(self.row.size, dtype=bool)
        nearest = [np.floor(axis + 0.5).astype(int) - start
                   for axis, start in ((self.row, self.stamp.row_min), (self.column, self.stamp.col_min))]
        inside = np.all([(place >= 0) & (place < side)
                         for place, side in zip(nearest, self.stamp.shape, strict=True)], axis=0)
        rows, columns = (place[inside] for place in nearest)
        wide = np.pad(bad, 1)
        found[inside] = np.any([wide[rows + i, columns + j] for i in range(3) for j in range(3)], axis=0)
        return found

    def _share_wings(self, row, column, flux):
        """Tell saturated stars, each with a wing of its own, from those outside that share one image."""
        bright = units.magnitude_to_flux(GIANT)
        giant, own = flux > bright, self.saturated & (self.flux > bright)
        outside = np.stack([row, column, flux])
        mine = np.stack([self.row, self.column, self.flux])[:, own]
        giants = np.concatenate([outside[:, giant], mine], axis=1)
        self.giants = giants[:, np.argsort(-giants[2], kind='stable')][:, :GIANTS]
        self.outside = outside[:, ~giant]
        smooth, mesh = _polynomials(self.stamp.shape), _mesh(self.stamp.shape)
        self.polynomials = smooth
        self._sky = np.concatenate([smooth, mesh], axis=1)
        number = smooth.shape[1], mesh.shape[1], self.giants.shape[1]
        self.level = self._level_mean = np.repeat([0.0, 0.0, 1.0], number)
        self.wide_precision = np.repeat([SKY_SPREAD ** -2, MESH_SPREAD ** -2, GIANT_SPREAD ** -2], number)

    # -- the model -------------------------------------------------------------------------------------

    def render(self, prf):
        """Take the images of the stars from a PRF without a wing, blurred by the motion."""
        values, row0, column0 = prf.render_at(self.row, self.column, HALF, derivatives=1)
        self.templates = np.stack(values).reshape(3, self.row.size, -1)
        rows = row0[:, None] - self.stamp.row_min + np.arange(CORE)
        columns = column0[:, None] - self.stamp.col_min + np.arange(CORE)
        inside = (((rows >= 0) & (rows < self.stamp.height))[:, :, None]
                  & ((columns >= 0) & (columns < self.stamp.width))[:, None, :])
        pixel = rows[:, :, None] * self.stamp.width + columns[:, None, :]
        self.pixel = np.where(inside, pixel, self.image.size).reshape(self.row.size, -1)

    def spread(self, values):
        """Sum of values (n, 169) in the stars' pixels as an image (pixels,)."""
        return np.bincount(self.pixel.ravel(), values.ravel(), self.image.size + 1)[:-1]

    def update_wings(self):
        """Take the light of all wings from the present fluxes."""
        flux = np.where(self.saturated, 0.0, np.maximum(self.flux, 0))
        mine = self.row, self.column, flux
        stars = (np.concatenate(pair) for pair in zip(mine, self.outside, strict=True))
        self._wing_images = WingImages(*stars, self.stamp)
        self.set_exponent(self.exponent)

    def set_exponent(self, exponent):
        """Let all wings follow a power law."""
        self.exponent = float(exponent)
        self.wings, self.wide = self._wings_of(self.exponent)

    def _wings_of(self, exponent):
        """The image of all wings and the columns ``wide`` for a power law."""
        number, (height, width) = self.giants.shape[1], self.stamp.shape
        rows = np.broadcast_to(np.arange(height) + self.stamp.row_min, (number, height))
        columns = np.broadcast_to(np.arange(width) + self.stamp.col_min, (number, width))
        light = Wing(TYPICAL_WING, exponent, RADIUS).render(*self.giants[:2], rows, columns)[0]
        light = light.reshape(number, height * width) * self.giants[2][:, None]
        return self._wing_images.image(exponent).ravel(), np.column_stack([self._sky, light.T])

    def wing_changes(self):
        """What the wings change when all stars move by 1 px in rows, in columns.

        Returns
        -------
        shared : array (2, pixels)
            For an amount of 1.
        giants : array (2, pixels)
            Of saturated stars, with their present amplitudes; by differences.
        """
        known = self._sky.shape[1]
        giants = self.wide[:, known:] @ self.level[known:]
        giants = -np.stack(np.gradient(giants.reshape(self.stamp.shape)))
        return self._wing_images.changes(self.exponent).reshape(2, -1), giants.reshape(2, -1)

    def model(self):
        """Light of stars, wings and sky, (pixels,)."""
        cores = self.spread(self.flux[:, None] * self.templates[0])
        return cores + self.amount * self.wings + self.wide @ self.level

    def variance(self):
        """Of noise and of what the model may be wrong by, (pixels,)."""
        wings = np.stack([self.amount * self.wings, self.wide[:, self._sky.shape[1]:].sum(axis=1)])
        return (self.photons() + self.noise ** 2 + self.spread(self.wrong(self.templates[0]))
                + WING_ERROR ** 2 * (wings ** 2).sum(axis=0))

    def photons(self):
        """Variance of the light of the mean image, (pixels,)."""
        return (np.maximum(self.image, 0) + SKY) / self.exposure

    def wrong(self, images):
        """Variance of what images (n, 169) of the stars, of light 1, may be wrong by."""
        flux = np.maximum(self.flux, 0)[:, None]
        part = np.where(self.saturated, SATURATED_ERROR, MODEL_ERROR)[:, None]
        return (part * flux * images) ** 2 + (OUTSKIRT_ERROR * flux) ** 2

    def weight(self):
        """Inverse variance, less for what sticks out; zero where unused, (pixels,)."""
        return np.where(self.used, self.robust / self.variance(), 0.0)

    def judge(self):
        """Measure what noise empty pixels have, and let those lose weight that stick out."""
        rest = self.image - self.model()
        stars = self.spread(np.maximum(self.flux, 0)[:, None] * self.templates[0])
        self.empty = self.used & (stars <= np.percentile(stars[self.used], 30))
        empty = rest[self.empty]
        self.noise = max(SKY_ERROR, 1.4826 * np.median(np.abs(empty - np.median(empty))))
        self.robust = robust(rest, self.variance(), self.used)

    def wing_sums(self, exponents):
        """Least squares of the shared wing for some power laws, sky and giants projected out.

        Cores count for little, lest what is wrong with them yet should choose the wing.

        Returns
        -------
        array (exponents, 3)
            Wing times wing, wing times data, and chi square that sky and giants take away.
        """
        cores = self.spread(np.maximum(self.flux, 0)[:, None] * self.templates[0])
        variance = self.variance() + (CORE_ERROR * cores) ** 2 + LAW_ERROR ** 2
        root = np.sqrt(np.where(self.used, self.robust / variance, 0.0))
        data = self.image - cores
        sky, known = self._sky * root[:, None], self._sky.shape[1]
        inner = sky.T @ sky + np.diag(self.wide_precision[:known])
        made = []
        for exponent in exponents:
            wings, wide = self._wings_of(exponent)
            images = np.column_stack([wings, wide[:, known:], data]) * root[:, None]
            cross = sky.T @ images
            sums = images.T @ images - cross.T @ np.linalg.solve(inner, cross)
            made.append(self._without_giants(sums, known))
        return np.array(made)

    def _without_giants(self, sums, known):
        """Wing times wing and data, and what giants take away, from sums over wing, giants, data."""
        prior = self.wide_precision[known:]
        giants = sums[1:-1, 1:-1] + np.diag(prior)
        right = np.stack([sums[1:-1, 0], sums[1:-1, -1] + prior * self._level_mean[known:]], axis=1)
        away = np.linalg.solve(giants, right)
        return (sums[0, 0] - sums[0, 1:-1] @ away[:, 0], sums[0, -1] - sums[0, 1:-1] @ away[:, 1],
                right[:, 1] @ away[:, 1])

    # -- fluxes, places, sky ---------------------------------------------------------------------------

    def fit(self):
        """One step of all fluxes, places and levels, the PRF held."""
        from scipy import sparse
        from scipy.sparse.linalg import splu
        weight, rest = self.weight(), self.image - self.model()
        every = np.arange(self.row.size)
        stars = self.columns(every)
        prior, away = self.prior(every)
        normal = (stars.T @ sparse.diags(weight) @ stars + sparse.diags(prior)).tocsc()
        weighted = self.wide * weight[:, None]
        cross = stars.T @ weighted
        right = stars.T @ (weight * rest) - prior * away
        factor = splu(normal, permc_spec='MMD_AT_PLUS_A', diag_pivot_thresh=0.0,
                      options={'SymmetricMode': True})
        solved = factor.solve(np.column_stack([cross, right]))
        inner = self.wide.T @ weighted + np.diag(self.wide_precision) - cross.T @ solved[:, :-1]
        outer = (weighted.T @ rest - self.wide_precision * (self.level - self._level_mean)
                 - cross.T @ solved[:, -1])
        step = np.linalg.solve(inner, outer)
        self.level = self.level + step
        self._move((solved[:, -1] - solved[:, :-1] @ step).reshape(-1, 3))

    def _move(self, step):
        self.flux = self.flux + step[:, 0]
        self.row = self.row + np.clip(step[:, 1], -STEP, STEP)
        self.column = self.column + np.clip(step[:, 2], -STEP, STEP)

    def columns(self, chosen, templates=None):
        """Light by flux, row and column of each chosen star, (pixels, 3 stars) sparse."""
        from scipy import sparse
        value = (self.templates if templates is None else templates)[:, chosen].copy()
        value[1:] *= self.flux[chosen][:, None]
        pixel = np.broadcast_to(self.pixel[chosen], value.shape)
        number = 3 * np.arange(chosen.size)[:, None] + np.arange(3)[:, None, None]
        kept = pixel < self.image.size
        return sparse.coo_matrix((value[kept], (pixel[kept], np.broadcast_to(number, value.shape)[kept])),
                                 (self.image.size, 3 * chosen.size)).tocsr()

    def prior(self, chosen):
        """Inverse variances of the chosen stars' numbers, and how far these are from what is expected."""
        place = np.where(self.saturated, SATURATED_SPREAD, PLACE_SPREAD)[chosen]
        spread = np.stack([FLUX_SPREAD * self.expected[chosen] + 1.0, place, place], axis=1)
        shift = self._shift()
        away = np.stack([self.flux - self.expected, self.row - self.catalog[0] - shift[0],
                         self.column - self.catalog[1] - shift[1]], axis=1)[chosen]
        return spread.ravel() ** -2.0, away.ravel()

    def _shift(self):
        """Common displacement of the stars against the catalogue, px."""
        weight = np.where(self.saturated, 0.0, np.clip(self.flux, 0, 1e4))
        if not weight.any():
            return np.zeros(2)
        away = np.stack([self.row - self.catalog[0], self.column - self.catalog[1]])
        return (away * weight).sum(axis=1) / weight.sum()

    # -- what the PRF is learned from ------------------------------------------------------------------

    def teachers(self, most=MOST):
        """Stars to learn from, brightest first: bright, unsaturated, alone on their central pixels."""
        inside = self.pixel < self.image.size
        pixel = np.where(inside, self.pixel, 0)
        steps = np.abs(np.arange(CORE) - HALF) <= 1
        centre = np.outer(steps, steps).ravel()
        own = self.flux[:, None] * self.templates[0]
        good = (inside & self.used[pixel])[:, centre].all(axis=1)
        pure = own[:, centre].sum(axis=1) > PURITY * self.model()[pixel][:, centre].sum(axis=1)
        peak = own.max(axis=1)
        noise = np.sqrt((np.maximum(peak, 0) + SKY) / self.exposure + self.noise ** 2)
        chosen = np.flatnonzero(good & pure & ~self.saturated & (peak > FAINTEST * noise))
        return chosen[np.argsort(-self.flux[chosen], kind='stable')][:most]

    def owner(self, chosen):
        """Which of the chosen stars shines most in each pixel, -1 where none does, (pixels,)."""
        best = np.zeros(self.image.size + 1)
        owner = np.full(self.image.size + 1, -1)
        for number, star in enumerate(chosen):
            value, pixel = self.flux[star] * self.templates[0, star], self.pixel[star]
            more = value > best[pixel]
            best[pixel[more]], owner[pixel[more]] = value[more], number
        return owner[:-1]

    def residuals(self, stars, prf):
        """Rms of what is left of stars over their peaks, (n,); flux, place and a level are their own."""
        rest, weight = self.image - self.model(), self.weight()
        images = np.stack(prf.render_at(self.row[stars], self.column[stars], HALF, derivatives=1)[0])
        images = images.reshape(3, len(stars), CORE ** 2)
        return np.array([self._residual(star, images[:, number], rest, weight)
                         for number, star in enumerate(stars)])

    def _residual(self, star, images, rest, weight):
        kept = self.pixel[star] < self.image.size
        kept[kept] = self.used[self.pixel[star][kept]]
        pixel = self.pixel[star][kept]
        present = self.flux[star] * self.templates[0, star][kept]
        data = rest[pixel] + present
        design = np.concatenate([images[:, kept], np.ones((1, pixel.size))])
        weighted = design * weight[pixel]
        left = data - np.linalg.solve(weighted @ design.T, weighted @ data) @ design
        return np.sqrt(np.mean(left ** 2)) / present.max()


def robust(rest, variance, used):
    """Factors of the weights of pixels, below 1 for those that stick out of the others."""
    ratio = np.abs(rest) / np.sqrt(variance)
    scale = max(1.0, 1.4826 * np.median(ratio[used]))
    return np.minimum(1.0, CLIP * scale / np.maximum(ratio, 1e-9))


def _polynomials(shape):
    """Terms of the sky up to DEGREE over the pixels, (pixels, terms)."""
    row, column = (np.linspace(-1, 1, size) if size > 1 else np.zeros(1) for size in shape)
    return np.stack([np.outer(row ** i, column ** j).ravel()
                     for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)], axis=1)


def _mesh(shape):
    """Cubic B-splines MESH px apart over the pixels, (pixels, splines)."""
    from photometry.algorithms.splines import cubic_weights
    axes = []
    for size in shape:
        count = max(1, round(size / MESH))
        place = (np.arange(size) + 0.5) * count / size
        node = np.minimum(place.astype(int), count - 1)
        axis = np.zeros((size, count + 3))
        np.put_along_axis(axis, node[:, None] + np.arange(4), cubic_weights(place - node), axis=1)
        axes.append(axis)
    return np.einsum('ia,jb->ijab', *axes).reshape(shape[0] * shape[1], -1)
