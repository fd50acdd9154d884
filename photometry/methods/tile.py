"""Stars of one fixed cell of the CCD, with the fluxes that the mean image gives them."""

from __future__ import annotations

import logging
from functools import cached_property

import numpy as np

from photometry.algorithms import full_pixels, masks, missing_stars, scene
from photometry.algorithms.trails import Trails
from photometry.core import units
from photometry.core.stamp import Stamp
from photometry.pixels.block import PixelBlock

logger = logging.getLogger(__name__)

MARGIN = 16
"""Pixels around a cell that enter its fit."""

WINDOW = 8
"""Pixels around a cell that enter the fit of every frame: its stars shine hardly further."""

SETTLED = 10
"""Pixels around a cell within which also faint stars are placed one by one."""

REACH = 8
"""Distance beyond the margin within which stars still shine on the fitted pixels, px."""

BRIGHT = 9.0
BRIGHT_REACH = 60
"""Magnitude of stars whose wings are followed, and how far, px."""

BLEEDING = 4.0
COLUMN = 0.5
"""Magnitude of stars whose charge may run beyond the margin, and the part of a star's light that may fall
on one column."""

FAINT = 16.0
"""Magnitude of stars without one."""

MODEL_ERROR = 0.003
"""Relative error of the PRF that tempers the weights of bright pixels."""

OUTSKIRT_ERROR = 2e-4
OUTSKIRT = 9
"""Error of the PRF as a part of the star's whole flux, and how far around a star it
counts, px: the rim of its samples, where the wing takes over, is known least."""

FEW = 5
"""Stars of the catalogue with fewer of which their places are not refined before missing ones are found."""

PASSES = 3
"""How often missing stars are looked for."""

ALONE = 0.75
"""Least distance of a star that is added to a scene from one in the catalogue, px."""

ASTRAY = 2.5
"""Distance within which it is rather a star of the catalogue with a wrong position, px, if
about as bright as that should be where it lacks light."""

OF_FRAMES = ('series', '_sky_blocks', '_skies', '_varying_stars')
"""What a tile and those that work for it keep of every frame."""

SKY = 100.0
"""Photons of the sky that weights assume, e-/s a pixel."""


class TileContext:
    """A cell of the CCD: a function of cube, catalogue, settings and cell, of nothing else.

    Parameters
    ----------
    source : photometry.methods.context.OpenSource
    cell : Stamp
    settings : photometry.settings.Settings

    Attributes
    ----------
    region : Stamp
        The cell with its margin, longer where a star bleeds far.
    index : ndarray (stars,)
        Rows of the catalogue that shine on the region, whatever is queued.
    """

    def __init__(self, source, cell, settings):
        self.source = source
        self.cell = cell
        self.settings = settings
        self.region = self._region()
        self.index = self._stars()

    def _region(self):
        """The cell with its margin, and so many rows more as charge of its own stars runs along."""
        region, (row, column) = self.cell.grown(*[MARGIN] * 4), self.source.mean_positions
        bright = np.flatnonzero((self.source.tmag < BLEEDING) & _within(self.cell, row, column))
        if bright.size:
            flux = units.magnitude_to_flux(self.source.tmag[bright])
            reach = COLUMN * flux / (units.SATURATION / 2) / 2 + 2 * masks.BLEED_REACH
            region = region._replace(row_min=min(region.row_min, int((row[bright] - reach).min())),
                                     row_max=max(region.row_max, int((row[bright] + reach).max()) + 1))
        return region.clipped(self.source.pixels.limits)

    def _stars(self):
        row, column = self.source.mean_positions
        near = _within(self.region, row, column, REACH)
        bright = self.source.tmag < BRIGHT
        return np.flatnonzero(near | (bright & _within(self.region, row, column, BRIGHT_REACH)))

    @cached_property
    def pixels(self):
        """`~photometry.pixels.block.PixelBlock` of the region: for all that reads pixels of the cell."""
        return PixelBlock(self.source.pixels, self.region)

    def release(self):
        """Forget the pixels and what holds of every frame; what was learned from their mean stays.

        Both are made again, the same, when somebody asks. Of 500 stars in 11,000 frames a series is 90 MB.
        """
        self.pixels.release()
        for name in OF_FRAMES:
            self.__dict__.pop(name, None)

    @cached_property
    def tmag(self):
        """TESS magnitudes of the stars."""
        return self.source.tmag[self.index]

    @property
    def mean(self):
        """`~photometry.algorithms.scene_mean.MeanScene` of the region; the stars of `added` come last."""
        return self._explained[0]

    @property
    def added(self):
        """`~photometry.algorithms.missing_stars.MissingStars` in the mean image: not in the catalogue."""
        return self._explained[1]

    @cached_property
    def _explained(self):
        """The scene, once no further star shows in what it leaves, and the stars added for that."""
        stars, added = self._catalogued(), np.zeros((4, 0))
        # a single star may be drawn to a brighter one that is missing: it stays until all are found
        mean = self._fit_mean(*stars, refine=self.index.size >= FEW)
        for _ in range(PASSES):
            found = self._missing(mean, stars)
            if not found.shape[1]:
                break
            added = np.concatenate([added, found], axis=1)
            stars = [np.concatenate(pair) for pair in zip(self._catalogued(), added[:3], strict=True)]
            mean = self._fit_mean(*stars)
            count = self.index.size
            added[:3] = mean.row[count:], mean.column[count:], mean.flux[count:]
        if added.size:
            logger.info('%d stars around row %d, column %d are missing in the catalogue.', added.shape[1],
                        *(int(middle) for middle in self._middle))
        elif self.index.size < FEW:
            mean = self._fit_mean(*stars)
        return mean, missing_stars.MissingStars(*added)

    def _catalogued(self):
        """Positions and expected fluxes of the catalogue's stars."""
        return *self._places, self._expected

    @property
    def _places(self):
        """(row, column) of the catalogue's stars."""
        return tuple(axis[self.index] for axis in self.source.mean_positions)

    @cached_property
    def _expected(self):
        """Fluxes of the catalogue's stars by magnitude; of those without one, what the mean image shows.

        A prior around a guess would keep a star that is much brighter from its light, and another would be
        found missing in its place.
        """
        expected, unknown = units.magnitude_to_flux(_known(self.tmag)), ~np.isfinite(self.tmag)
        if unknown.any():
            faint = expected[unknown]
            for bound in (self._core_light, self._light_beside_others):
                expected[unknown] = np.maximum(bound(expected)[unknown], faint)
        return expected

    def _core_light(self, expected):
        """Most flux that each star can have by the pixels of its core, e-/s."""
        image, made = np.nan_to_num(self.pixels.sumimage(self.region)), np.zeros(expected.shape)
        cores = zip(*self.source.prf.render_at(*self._places, 1), strict=True)
        for star, (kernel, row, column) in enumerate(cores):
            spot = Stamp(row, row + kernel.shape[0], column, column + kernel.shape[1])
            if spot.lies_in(self.region):
                made[star] = (kernel * image[spot.slices(self.region[::2])]).sum() / (kernel ** 2).sum()
        return made

    def _light_beside_others(self, expected):
        """Flux of each star in a scene of all, at the places of the catalogue, e-/s."""
        return self._fit_mean(*self._places, expected, refine=False).flux

    def _fit_mean(self, row, column, expected, refine=True):
        image = self.pixels.sumimage(self.region)
        spoilt = full_pixels.spoilt(self._peak)
        trails = Trails.of(spoilt)
        spoilt &= ~trails.mask(spoilt.shape)
        variance = self._variance(image, spoilt) + self._outskirt_error(row, column, expected) ** 2
        return scene.fit_mean(image, variance, self.source.prf, row, column, expected, self.region,
                              blur=scene.Blur.of(self.motion[self.source.pixels.good]), refine=refine,
                              settle=self.cell.grown(*[SETTLED] * 4), trails=trails)

    def _missing(self, mean, stars):
        """Stars that a scene leaves, (4, n), without its own that are astray or too near."""
        image = self.pixels.sumimage(self.region)
        noise = self._photons(image, max(self.source.pixels.good.sum(), 1))
        found = missing_stars.find(
            mean.residual, np.where(np.isfinite(mean.variance), noise, np.inf), self.source.prf, self.region,
            mean.row, mean.column, mean.flux, image - mean.residual - mean.sky_image())
        distance = np.hypot(found.row[:, None] - stars[0], found.column[:, None] - stars[1])
        part = found.flux[:, None] / stars[2]
        astray = (distance < ASTRAY) & (part > 0.5) & (part < 2) & (mean.flux < 0.7 * stars[2])
        return np.stack(found)[:, ~(astray | (distance < ALONE)).any(axis=1)]

    @property
    def _middle(self):
        cell = self.cell
        return (cell.row_min + cell.row_max - 1) / 2, (cell.col_min + cell.col_max - 1) / 2

    @cached_property
    def motion(self):
        """Motion of the middle of the cell against its mean over the good frames, (times, 2), px."""
        good = self.source.pixels.good
        rows, columns = self.source.motion.positions(*self._middle)
        motion = np.stack([rows[0], columns[0]], axis=1)
        return motion - motion[good].mean(axis=0) if good.any() else motion

    @cached_property
    def series(self):
        """`~photometry.algorithms.scene_series.SceneSeries` of the region, shared by its stars."""
        window = self._window()
        part = window.slices(self.region[::2])
        images, errors = (self.pixels.load(layer)[part] for layer in ('images', 'images_err'))
        return scene.fit_series(images, errors, self.mean, self.motion, self.source.pixels.good,
                                stamp=window)

    def _window(self):
        """Pixels that are fitted in every frame, with the whole of the trails that begin there."""
        window, trails = self.cell.grown(*[WINDOW] * 4).clipped(self.region), self.mean.trails
        row, column = trails.row + self.region.row_min, trails.column + self.region.col_min
        on = ((row >= window.row_min) & (row < window.row_max)
              & (column >= window.col_min) & (column < window.col_max))
        row = row[np.isin(trails.number, trails.number[on])]
        return window._replace(row_min=int(row.min(initial=window.row_min)),
                               row_max=int(row.max(initial=window.row_max - 1)) + 1)

    def place_of(self, catalog_index):
        """Number of a catalogue row among the stars of the scene, or None when it is not there."""
        place = int(np.searchsorted(self.index, catalog_index))
        return place if place < self.index.size and self.index[place] == catalog_index else None

    def series_of(self, catalog_index):
        """(flux, error) of a catalogue row in every frame, e-/s; NaN where nothing is known."""
        template = self.mean.layout.template[self.place_of(catalog_index)]
        return self.series.template_flux[template], self.series.template_err[template]

    def merged_with(self, catalog_index):
        """Numbers in the catalogue of the stars that cannot be told from this one, ascending."""
        others = self.mean.merged_with(self.place_of(catalog_index))
        return np.sort(self.source.starid[self.index[others[others < self.index.size]]])

    def _variance(self, image, spoilt):
        """Variance that sets the weights: photons of one frame and a part for the errors of the PRF.

        Photons of one frame though the image is the mean of many: with all of them
        the faint outskirts, where the PRF is known least, would rule the fit.
        """
        light = np.maximum(np.nan_to_num(image), 0)
        variance = self._photons(image) + (MODEL_ERROR * light) ** 2
        return np.where(spoilt | ~np.isfinite(image), np.inf, variance)

    def _photons(self, image, frames=1):
        """Variance of the photons of stars and sky in the mean of some frames, (e-/s)^2."""
        seconds = max(self.source.pixels.info.exposure, 1.0) * frames
        return (np.maximum(np.nan_to_num(image), 0) + SKY) / seconds

    @cached_property
    def _peak(self):
        """Greatest light in a good frame of pixels that may be full, the mean of others: (rows, columns)."""
        image = self.pixels.sumimage(self.region)
        if not masks.may_fill(image).any():
            return np.nan_to_num(image)
        return full_pixels.highest(self.pixels.load('images'), image, self.source.pixels.good)

    def _outskirt_error(self, row, column, expected):
        """What the model of the stars may be wrong by around each, e-/s, (rows, columns)."""
        error = np.zeros(self.region.shape)
        for star in np.flatnonzero(expected > 1e3):
            spot = Stamp.around(row[star], column[star], 2 * OUTSKIRT + 1, 2 * OUTSKIRT + 1)
            part = spot.clipped(self.region)
            if 0 not in part.shape:
                error[part.slices(self.region[::2])] += OUTSKIRT_ERROR * expected[star]
        return error

    def _measured_zero_point(self, flux):
        """Magnitude of 1 e-/s, the median over stars that are bright enough to tell."""
        inside = _within(self.cell, *(axis[self.index] for axis in self.source.mean_positions))
        telling = inside & (flux > 0) & (self.tmag < 14) & (self.tmag > 7)
        if telling.sum() < 3:
            return units.ZERO_POINT
        return float(np.median(self.tmag[telling] + 2.5 * np.log10(flux[telling])))

    @property
    def shift(self):
        """Row and column by which the stars of the cell lie beside their catalogue positions, px."""
        return self.mean.shift

    @property
    def plane(self):
        """Level of the sky left in the mean image, with its slopes over the region, e-/s."""
        return self.mean.sky[:3]

    @cached_property
    def zero_point(self):
        """TESS magnitude of 1 e-/s in this cell."""
        return self._measured_zero_point(self.mean.flux[:self.index.size])

    def stars_on(self, stamp, reach=REACH):
        """Catalogue rows of all stars that shine on a stamp, in the order of the catalogue."""
        row, column = self.source.mean_positions
        near = _within(stamp, row, column, reach)
        bright = self.source.tmag < BRIGHT
        return np.flatnonzero(near | (bright & _within(stamp, row, column, BRIGHT_REACH)))

    def flux_of(self, index):
        """Fluxes of catalogue rows, e-/s: fitted in this cell, else by magnitude."""
        flux = units.magnitude_to_flux(_known(self.source.tmag[index]), self.zero_point)
        found, place = self._among(index)
        flux[found] = self.mean.flux[place]
        return flux

    def expected_of(self, index):
        """Fluxes of catalogue rows by magnitude, e-/s; of those without one in this cell, by the image."""
        expected = units.magnitude_to_flux(_known(self.source.tmag[index]))
        found, place = self._among(index)
        expected[found] = self._expected[place]
        return expected

    def mean_positions(self, index):
        """(row, column) of catalogue rows in the mean image: fitted in this cell, else the shift included."""
        found, place = self._among(index)
        made = []
        for axis, fitted, shift in zip(self.source.mean_positions, (self.mean.row, self.mean.column),
                                       self.shift, strict=True):
            moved = axis[index] + shift
            moved[found] = fitted[place]
            made.append(moved)
        return tuple(made)

    def _among(self, index):
        """Which of some catalogue rows are stars of this cell, and their numbers among these."""
        place = np.searchsorted(self.index, index)
        found = place < self.index.size
        found[found] = self.index[place[found]] == np.asarray(index)[found]
        return found, place[found]


def _known(tmag):
    """Magnitudes, a faint one where none is known."""
    return np.where(np.isfinite(tmag), tmag, FAINT)


def _within(stamp, row, column, reach=0):
    """Which positions lie on a stamp or so many pixels around it."""
    return ((row >= stamp.row_min - 0.5 - reach) & (row < stamp.row_max - 0.5 + reach)
            & (column >= stamp.col_min - 0.5 - reach) & (column < stamp.col_max - 0.5 + reach))
