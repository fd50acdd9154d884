"""What the motion seems to take from bright stars because their images are not quite those of the PRF."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import metrics
from photometry.algorithms import scene_design as design
from photometry.algorithms.pointing import motion_terms

HALF = 8
"""Half width of the boxes, px: beyond the cores little light comes and goes at the rim."""

TELLING = 8000.0
"""Signal over noise of a frame from which a star is balanced: noise hides what fainter ones lose."""

ALONE = 0.2
"""Light of others in the box, over the star's own, up to which it stands alone."""

LIKELY = np.array([3e-3, 3e-3, 3e-2, 3e-2, 3e-2])
"""Greatest likely change of the flux, over the flux, by a shift of 1 px along rows and columns, and by half
its squares, from an error of the PRF."""

RIM = np.array([3e-4, 3e-4, 4e-3, 4e-3, 4e-3])
"""The same of the light in the box, because its rim is known no better than the PRF."""

DOUBT = 3
"""Stars without any such change that are taken to stand beside those of the tile."""

OUTLIER = 4.0
"""Standard deviations at which a frame no longer counts."""

ROUNDS = 3
LEAST_FRAMES = 30


class Balance:
    """Bright stars that stand alone, with the light that fits leave in boxes of 17 x 17 px around them.

    Light is conserved: the sum over all pixels of a box hardly depends on the star's place,
    whatever its image looks like. What a fit leaves there it should have counted.

    Parameters
    ----------
    light : photometry.algorithms.scene_series.MovingScene
    information : ndarray (templates,)
        Inverse variances of the fluxes in a frame.
    pixels : photometry.algorithms.scene_pixels.Pixels
    image : ndarray (rows, columns)
        Light of all stars in the mean image.

    Attributes
    ----------
    template : ndarray (stars,)
        Numbers of the stars' templates.
    flux : ndarray (stars,)
    """

    def __init__(self, light, information, pixels, image):
        self._pixels = pixels
        bright = light.inside & (light.flux * np.sqrt(information) > TELLING)
        chosen = []
        for template in np.flatnonzero(bright):
            box = self._box(light, template)
            usable = self._usable(box)
            if (usable.shape == (2 * HALF + 1, 2 * HALF + 1) and usable.all()
                    and image[box].sum() < (1 + ALONE) * light.flux[template]):
                chosen.append((template, box))
        self.template = np.array([template for template, _ in chosen], dtype=int)
        self._boxes = [box for _, box in chosen]
        self.flux = light.flux[self.template]
        self._left = np.full((len(chosen), pixels.times), np.nan)

    def _usable(self, box):
        """Pixels of a box that count by themselves or in trails that end in it, (rows, columns) of bool."""
        pixels, (rows, columns) = self._pixels, box
        trails = pixels.trails.chosen(pixels.trail_weight > 0)
        trails = trails.within((rows.start, rows.stop), (columns.start, columns.stop))
        usable = pixels.weight[box] > 0
        return usable | trails.mask(usable.shape)

    @staticmethod
    def _box(light, template):
        """Pixels around the brightest star of a template; fewer at an edge."""
        members = np.flatnonzero(light.layout.template == template)
        brightest = members[np.argmax(light.layout.share[members])]
        first = (int(np.floor(light.row[brightest] + 0.5)) - HALF - light.stamp.row_min,
                 int(np.floor(light.column[brightest] + 0.5)) - HALF - light.stamp.col_min)
        return tuple(slice(max(start, 0), max(start + 2 * HALF + 1, 0)) for start in first)

    def take(self, group, deviation):
        """Look at what the solution of a group of frames leaves.

        Parameters
        ----------
        group : photometry.algorithms.scene_group.Group
        deviation : ndarray (free + 6, frames)
            From the mean scene.
        """
        images, coefficients = group.model
        full = np.zeros((group.light.layout.number + design.SKY_TERMS, group.frames.size))
        full[group.free] = deviation
        stars, sky = full[:-design.SKY_TERMS], full[-design.SKY_TERMS:]
        for number, box in enumerate(self._boxes):
            model = images[:, *box].sum(axis=(1, 2)) @ coefficients
            model += group.light.sky[:, *box].sum(axis=(1, 2)) @ sky
            for band in group.bands:
                model += self._of_band(band, box, group.light.stamp.width, group.phi, stars)
            self._left[number, group.frames] = self._seen(box, group.frames) - model

    def _seen(self, box, frames):
        images = self._pixels.images[box]
        if frames.size < self._pixels.times:
            images = images[..., frames]
        return images.sum(axis=(0, 1), dtype='float64')

    @staticmethod
    def _of_band(band, box, width, phi, stars):
        """Light in a box that deviations of the fluxes bring to the rows of a band, (frames,)."""
        rows = slice(max(box[0].start, band.rows.start) - band.rows.start,
                     min(box[0].stop, band.rows.stop) - band.rows.start)
        if rows.stop <= rows.start:
            return 0.0
        height = band.rows.stop - band.rows.start
        values = band.values[:3].reshape(3, -1, height, width)[:, :, rows, box[1]]
        values = values.sum(axis=(2, 3), dtype='float64')
        members = np.concatenate([stars[:band.wide], stars[band.low:band.high]])
        return sum((plane @ members) * factor for plane, factor in zip(values, phi[:3], strict=True))

    def correction(self, shift, good):
        """What to add to the fluxes, (stars, times), e-/s; see `followed`."""
        return self.flux[:, None] * followed(self._left / self.flux[:, None], shift, good)


def followed(left, shift, good):
    """The part of what fits leave in their boxes that follows the motion, as far as the PRF is to blame.

    It is taken to second order: it is no star's own change, which fit and box share, and adds
    hardly any noise. Stars differ by their phases in the pixel; from how much they do
    together follows how large errors of the PRF are beside those of the rims of the boxes,
    and which part of each star's is corrected (empirical Bayes; Efron & Morris 1973, JASA 68, 117).

    Parameters
    ----------
    left : ndarray (stars, times)
        Light left over the flux.
    shift : ndarray (times, 2)
        px.
    good : ndarray (times,) of bool
        Frames that count.

    Returns
    -------
    ndarray (stars, times)
        Zero on average over the frames that count, and where the motion is unknown or far.
    """
    near, terms = motion_terms(shift)
    used = near & good & np.isfinite(left)
    told = np.flatnonzero(used.sum(axis=1) >= LEAST_FRAMES)
    made = np.zeros_like(left)
    if told.size:
        series = [_Series(left[star], terms, used[star]) for star in told]
        spread = _blamed(np.array([one.fit(LIKELY) for one in series]))
        part = spread ** 2 / (spread ** 2 + RIM ** 2)
        for star, one in zip(told, series, strict=True):
            made[star] = np.where(near, (part * one.fit(np.hypot(spread, RIM))[0]) @ one.terms, 0.0)
    return made


def _blamed(found):
    """Standard deviations (5,) of what a PRF makes of motion, from changes with errors (stars, 2, 5)."""
    square = (found[:, 0] ** 2 - found[:, 1] ** 2).sum(axis=0) / (len(found) + DOUBT)
    square = np.repeat([square[:2].mean(), square[2:].mean()], (2, 3))
    return np.sqrt(np.maximum(square - RIM ** 2, 0.0))


class _Series:
    """What is left of one star, and the terms of the motion about their means."""

    def __init__(self, values, terms, used):
        self.values, self.used = values, used
        terms = terms - terms[:, used].mean(axis=1, keepdims=True)
        some = terms[:, used]
        # beyond the frames that count the correction stays at that of the last ones
        self.terms = np.clip(terms, some.min(axis=1)[:, None], some.max(axis=1)[:, None])

    def fit(self, spread):
        """Coefficients of the terms and their errors, (2, 5), without outliers; ``spread`` is their prior."""
        kept, found, error = self.used, np.zeros(len(spread)), spread
        for _ in range(ROUNDS):
            rest = self.values - found @ self.terms
            level = metrics.median(rest[kept])
            scatter = 1.4826 * metrics.median(np.abs(rest[kept] - level))
            if not scatter > 0:
                break
            rest, some = self.values - level, self.terms * kept
            inverse = np.linalg.inv(some @ self.terms.T / scatter ** 2 + np.diag(spread ** -2.0))
            found = inverse @ (some @ np.where(kept, rest, 0.0)) / scatter ** 2
            error = np.sqrt(np.diag(inverse))
            kept = self.used & (np.abs(rest - found @ self.terms) < OUTLIER * scatter)
        return np.stack([found, error])
