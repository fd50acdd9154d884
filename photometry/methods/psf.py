"""PSF photometry: flux and place of a star in every cadence, its neighbours taken from the tile's scene."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import psf_scene
from photometry.core import units
from photometry.core.errors import NoFluxError
from photometry.core.status import STATUS
from photometry.methods import sap
from photometry.methods.base import BasePhotometry

LEAST_LIGHT = 0.1
"""Part of the star's light that the usable pixels of the fitted stamp must hold."""

REMARKABLE = 0.3
"""Offset from the catalogue that is remarked upon, px."""


class PSFPhotometry(BasePhotometry):
    """Flux and place in every cadence by a fit of the star's image to its pixels.

    The neighbours are subtracted as the scene of the tile has them in every
    cadence; their fluxes (of close ones the places, too) are then left free once more,
    so that nothing of the star itself was subtracted with them. ``flux`` is fitted with a
    prior of the place about the measured motion, ``pos_centroid`` without.
    """

    method = 'psf'

    def do_photometry(self):
        """Place the star on the mean image, then fit all cadences at once."""
        aperture = sap.choose_mask(self)
        sap.fill_sums(self, aperture.mask)
        placed = self._place()
        series = self._fit(placed)
        self._fill(series, placed)
        sap.record(self, aperture, float(np.nanmedian(series.flux[self.source.pixels.good])))
        self._record(series, placed)
        return self._verdict(placed)

    @property
    def _good(self):
        return self.source.pixels.good

    def _shift(self):
        """Motion of the star against the mean of the good frames, (2, times) rows and columns, px."""
        motion = self.columns['pos_corr'].T[::-1]
        return motion - motion[:, self._good].mean(axis=1, keepdims=True)

    def _place(self):
        mean, doubt = self.tile.mean, self._doubt()
        star = self.tile.place_of(self.catalog_index)
        group = [star, *mean.merged_with(star)]
        expected = units.magnitude_to_flux(self.source.tmag[self.tile.index[group]], self.tile.zero_point)
        placed = psf_scene.place(mean, doubt, star, psf_scene.blur_of(self._shift(), self._good),
                                 float(np.nansum(expected)))
        if not placed.light > LEAST_LIGHT:
            raise NoFluxError(f'TIC {self.starid}: no pixel that can be used holds enough light of the star.')
        return placed

    def _doubt(self):
        """Typical error of the flux of every template of the scene in a frame, e-/s."""
        return np.sqrt(np.diag(self.tile.series.covariance))

    def _fit(self, placed):
        stamp, tile = placed.target.stamp, self.tile
        errors = sap.noise_gain(self) * tile.pixels.read('images_err', stamp)
        pixels = tile.pixels.read('images', stamp)
        return psf_scene.fit(tile.mean, tile.series, placed, pixels, errors, tile.pixels.sumimage(stamp),
                             self._shift(), self._good)

    def _fill(self, series, placed):
        table = self.columns
        row, column = series.place + placed.target.place[:, None]
        table['flux'][:], table['flux_err'][:] = series.flux, series.flux_err
        table['pos_centroid'][:] = np.stack([column, row], axis=1)
        table['pos_centroid_err'] = series.place_err[::-1].T
        table['chi2'] = series.chi2

    def _record(self, series, placed):
        offset = self._offset(placed)
        error = np.hypot(*placed.found.error)
        self.details |= {'position_offset': float(np.hypot(*offset))}
        self.additional_headers |= {
            'PSF_OFFR': (float(offset[0]), '[px] star beside its catalogue place, rows'),
            'PSF_OFFC': (float(offset[1]), '[px] the same, columns'),
            'PSF_OFFE': (float(error) if np.isfinite(error) else None, '[px] standard error of the offset'),
            'PSF_PRIR': (float(series.wander[0]), '[px] prior of FLUX: rows about motion and trend'),
            'PSF_PRIC': (float(series.wander[1]), '[px] the same, columns'),
            'PSF_TRND': (float(np.hypot(*np.ptp(series.trend, axis=1))), '[px] slow motion of its own'),
            'PSF_CHI2': (float(np.nanmedian(series.chi2[self._good])), 'reduced chi square, median'),
            'PSF_NBRS': (placed.around.number, 'neighbours fitted along'),
            'PSF_NBRP': (placed.around.places_number, 'neighbours with free places')}

    def _offset(self, placed):
        """Place in the mean image less that of the catalogue, the common shift of the tile taken off."""
        row, column = (axis[self.catalog_index] for axis in self.source.mean_positions)
        return placed.target.place - (row, column) - self.tile.shift

    def _verdict(self, placed):
        """OK, or WARNING with a remark when a reader should look."""
        remarks = list(self._remarks(placed))
        for remark in remarks:
            self.report_details(error=remark)
        return STATUS.WARNING if remarks else STATUS.OK

    def _remarks(self, placed):
        others = self.tile.merged_with(self.catalog_index)
        if len(others):
            yield ('FLUX is the sum with stars that cannot be told apart: '
                   f'TIC {", ".join(str(starid) for starid in others)}.')
        distance = np.hypot(*self._offset(placed))
        if distance > REMARKABLE and not len(others):
            yield f'The star stands {distance:.2f} px beside its place in the catalogue.'
        flux = float(np.nanmedian(self.columns['flux'][self._good]))
        if not flux > 0:
            yield 'The median flux is not positive.'
