"""PSF photometry: flux and place of a star in every cadence, its neighbours taken from the tile's scene."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import psf_scene
from photometry.algorithms.scene_design import Blur
from photometry.core import starids, units
from photometry.core.errors import NoFluxError
from photometry.methods import sap
from photometry.methods.linpsf import LinearPSF

LEAST_LIGHT = 0.1
"""Part of the star's light that the usable pixels of the fitted stamp must hold."""

REMARKABLE = 0.3
"""Offset from the catalogue that is remarked upon, px."""


class PSFPhotometry(LinearPSF):
    """Flux and place in every cadence by a fit of the star's image to its pixels (docs/methods/psf.md).

    The neighbours are subtracted as the scene of the tile has them in every
    cadence; their fluxes (of close ones the places, too) are then left free once more,
    so that nothing of the star itself was subtracted with them. ``flux`` is fitted with a
    prior of the place about the measured motion, ``pos_centroid`` without.
    """

    method = 'psf'

    def do_photometry(self):
        """Place the star on the mean image, then fit all cadences at once."""
        self._place = self.tile.place_of(self.catalog_index)
        aperture = self._sum_pixels()
        self._placed = self._find_place()
        series = self._fit()
        self._fill(series)
        if self._bright:
            self._settle()
        self._level = self.median_flux()
        if aperture is not None:
            sap.record(self, aperture, self._level)
        self._record(series)
        return self._verdict()

    @property
    def _good(self):
        return self.source.pixels.good

    @property
    def model_image(self):
        """The same with the star, and those merged with it, where and as bright as they were found."""
        mean, target = self.tile.mean, self._placed.target
        members = np.flatnonzero(mean.layout.template == mean.layout.template[self._place])
        before = self.psf.render(mean.row[members], mean.column[members], self.stamp)
        after = self.psf.render(target.row, target.column, self.stamp)
        return (super().model_image - np.tensordot(mean.flux[members], before, 1)
                + self._level * np.tensordot(target.share / target.share.sum(), after, 1))

    def _shift(self):
        """Motion of the star against the mean of the good frames, (2, times) rows and columns, px."""
        motion = self.columns['pos_corr'].T[::-1]
        return motion - motion[:, self._good].mean(axis=1, keepdims=True)

    def _find_place(self):
        """`psf_scene.Placed` of the star on the mean image."""
        tile = self.tile
        group = np.array([self._place, *tile.mean.merged_with(self._place)])
        listed = tile.index[group[group < tile.index.size]]  # the others were added to the catalogue
        expected = units.magnitude_to_flux(self.source.tmag[listed], tile.zero_point)
        doubt = np.sqrt(np.diag(tile.series.covariance))
        placed = psf_scene.place(tile.mean, doubt, self._place, Blur.of(self._shift()[:, self._good].T),
                                 float(np.nansum(expected)))
        if not placed.light > LEAST_LIGHT:
            raise NoFluxError(f'{starids.name(self.starid)}: '
                              'no pixel that can be used holds enough light of the star.')
        return placed

    def _fit(self):
        stamp, tile = self._placed.target.stamp, self.tile
        errors = sap.noise_gain(self) * tile.pixels.read('images_err', stamp)
        pixels = tile.pixels.read('images', stamp)
        return psf_scene.fit(tile.mean, tile.series, self._placed, pixels, errors,
                             tile.pixels.sumimage(stamp), self._shift(), self._good)

    def _fill(self, series):
        table = self.columns
        row, column = series.place + self._placed.target.place[:, None]
        table['flux'][:], table['flux_err'][:] = series.flux, series.flux_err
        table['pos_centroid'][:] = np.stack([column, row], axis=1)
        table['pos_centroid_err'] = series.place_err[::-1].T
        table['chi2'] = series.chi2

    def _record(self, series):
        offset, placed = self._offset(), self._placed
        error = float(np.hypot(*placed.found.error))
        merged = self.tile.merged_with(self.catalog_index)
        known = np.isfinite(series.chi2) & self._good
        chi2 = float(np.median(series.chi2[known])) if known.any() else None
        self.details |= {'chi2': chi2, 'merged_with': merged.tolist(), 'neighbours': 'scene',
                         'position_offset': float(np.hypot(*offset))}
        self.additional_headers |= {
            'PSF_CHI2': (chi2, 'reduced chi square, median of the cadences'),
            'N_MERGED': (len(merged), 'stars that cannot be told from this one'),
            'PSF_OFFR': (float(offset[0]), '[px] star beside its catalogue place, rows'),
            'PSF_OFFC': (float(offset[1]), '[px] the same, columns'),
            'PSF_OFFE': (error if np.isfinite(error) else None, '[px] standard error of the offset'),
            'PSF_PRIR': (float(series.wander[0]), '[px] prior of FLUX: rows about motion and trend'),
            'PSF_PRIC': (float(series.wander[1]), '[px] the same, columns'),
            'PSF_TRND': (float(np.hypot(*np.ptp(series.trend, axis=1))), '[px] slow motion of its own'),
            'PSF_NBRS': (placed.around.number, 'neighbours fitted along'),
            'PSF_NBRP': (placed.around.places_number, 'neighbours with free places')}

    def _offset(self):
        """Place in the mean image less that of the catalogue, the common shift of the tile taken off."""
        row, column = (axis[self.catalog_index] for axis in self.source.mean_positions)
        return self._placed.target.place - (row, column) - self.tile.shift

    def _remarks(self):
        yield from super()._remarks()
        distance = self.details['position_offset']
        if distance > REMARKABLE and not self.details['merged_with']:
            yield f'The star stands {distance:.2f} px beside its place in the catalogue.'
        lost = int(np.isnan(self.columns['flux'][self._good]).sum())
        if lost:
            yield f'{lost} of the good cadences tell no flux.'
