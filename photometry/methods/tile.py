"""Stars of one fixed cell of the CCD, with the fluxes that the mean image gives them."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from photometry.algorithms import masks, scene
from photometry.core import units
from photometry.core.stamp import Stamp
from photometry.pixels.block import PixelBlock

MARGIN = 16
"""Pixels around a cell that enter its fit."""

REACH = 8
"""Distance beyond the margin within which stars still shine on the fitted pixels, px."""

BRIGHT = 9.0
BRIGHT_REACH = 60
"""Magnitude of stars whose wings are followed, and how far, px."""

FAINT = 16.0
"""Magnitude of stars without one."""

MODEL_ERROR = 0.003
"""Relative error of the PRF that tempers the weights of bright pixels."""

OUTSKIRT_ERROR = 2e-4
OUTSKIRT = 9
"""Error of the PRF as a part of the star's whole flux, and how far around a star it
counts, px: the rim of its samples, where the wing takes over, is known least."""

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
        The cell with its margin.
    index : ndarray (stars,)
        Rows of the catalogue that shine on the region, whatever is queued.
    """

    def __init__(self, source, cell, settings):
        self.source = source
        self.cell = cell
        self.settings = settings
        self.region = cell.grown(MARGIN, MARGIN, MARGIN, MARGIN).clipped(source.pixels.limits)
        self.index = self._stars()

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
        """Forget the pixels; what was learned from them stays."""
        self.pixels.release()

    @cached_property
    def tmag(self):
        """TESS magnitudes of the stars."""
        return self.source.tmag[self.index]

    @cached_property
    def _fit(self):
        """(flux, plane, shift, zero point) of the scene on the mean image."""
        image = self.source.pixels.sumimage(self.region)
        row, column = (axis[self.index] for axis in self.source.mean_positions)
        expected = units.magnitude_to_flux(_known(self.tmag))
        variance = self._variance(image) + self._outskirt_error(row, column, expected) ** 2
        shift = np.zeros(2)
        for _ in range(2):
            templates, *gradients = self.source.prf.render(row + shift[0], column + shift[1],
                                                           self.region, derivatives=True)
            fit = scene.fit_fluxes(image, variance, templates, expected)
            model = (np.tensordot(fit.flux, templates, 1)
                     + np.tensordot(fit.plane, scene.plane_basis(image.shape), 1))
            shift = shift + scene.common_shift(image - model, variance, gradients, fit.flux)
        templates = self.source.prf.render(row + shift[0], column + shift[1], self.region)
        fit = scene.fit_fluxes(image, variance, templates, expected)
        return fit.flux, fit.plane, shift, self._measured_zero_point(fit.flux)

    def _variance(self, image):
        """Variance that sets the weights: photons of one frame and a part for the errors of the PRF.

        Photons of one frame though the image is the mean of many: with all of them
        the faint outskirts, where the PRF is known least, would rule the fit.
        """
        light = np.maximum(np.nan_to_num(image), 0)
        variance = (light + SKY) / max(self.source.pixels.info.exposure, 1.0) + (MODEL_ERROR * light) ** 2
        return np.where(masks.bleeding(masks.saturated(image)) | ~np.isfinite(image), np.inf, variance)

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
        return self._fit[2]

    @property
    def plane(self):
        """Level of the sky left in the mean image, with its slopes over the region, e-/s."""
        return self._fit[1]

    @property
    def zero_point(self):
        """TESS magnitude of 1 e-/s in this cell."""
        return self._fit[3]

    def stars_on(self, stamp, reach=REACH):
        """Catalogue rows of all stars that shine on a stamp, in the order of the catalogue."""
        row, column = self.source.mean_positions
        near = _within(stamp, row, column, reach)
        bright = self.source.tmag < BRIGHT
        return np.flatnonzero(near | (bright & _within(stamp, row, column, BRIGHT_REACH)))

    def flux_of(self, index):
        """Fluxes of catalogue rows, e-/s: fitted in this cell, else by magnitude."""
        flux = units.magnitude_to_flux(_known(self.source.tmag[index]), self.zero_point)
        place = np.searchsorted(self.index, index)
        found = place < self.index.size
        found[found] = self.index[place[found]] == np.asarray(index)[found]
        flux[found] = self._fit[0][place[found]]
        return flux

    def mean_positions(self, index):
        """(row, column) of catalogue rows in the mean image, the shift of the cell included."""
        row, column = self.source.mean_positions
        return row[index] + self.shift[0], column[index] + self.shift[1]


def _known(tmag):
    """Magnitudes, a faint one where none is known."""
    return np.where(np.isfinite(tmag), tmag, FAINT)


def _within(stamp, row, column, reach=0):
    """Which positions lie on a stamp or so many pixels around it."""
    return ((row >= stamp.row_min - 0.5 - reach) & (row < stamp.row_max - 0.5 + reach)
            & (column >= stamp.col_min - 0.5 - reach) & (column < stamp.col_max - 0.5 + reach))
