"""Fluxes of all stars of a tile at once, by linear fits of their images to every frame."""

from __future__ import annotations

import numpy as np

from photometry.core import starids, units
from photometry.core.errors import FluxOnEdgeError, NoFluxError
from photometry.methods import remarks, sap, starlight
from photometry.methods.base import BasePhotometry

LEAST_SEEN = 0.2
"""Part of the light of a star that does not saturate itself that must be seen: beside the trail of
another one the rest says more about that one's image than about the star."""

SATURATING = 1.5e5
"""Least flux of a star that saturates pixels itself, e-/s: half of full well in its brightest pixel."""

SEEN = 0.5
"""Part of the star's light on pixels that can be used below which a reader is told."""

WHOLE = 0.95
"""Part of its light that is seen of a star without full pixels, at least."""


class LinearPSF(BasePhotometry):
    """The star's part of its tile's scene (docs/methods/scene.md).

    ``flux`` is the star's total flux, as the images of all stars of the tile and a local sky explain
    every frame; the fit is made once a tile and shared by its stars.
    """

    method = 'linpsf'

    def do_photometry(self):
        """Take the star's series from the tile."""
        tile = self.tile
        self._place = tile.place_of(self.catalog_index)
        flux, error = tile.series_of(self.catalog_index)
        drowned = not self._bright and tile.mean.seen[self._place] < LEAST_SEEN
        if drowned or not np.isfinite(flux[self.source.pixels.good]).any():
            raise NoFluxError(f'{starids.name(self.starid)}: '
                              'no pixel that can be used holds enough light of the star.')
        self.columns['flux'][:], self.columns['flux_err'][:] = flux, sap.noise_gain(self) * error
        if self._bright:
            self._settle()
        self._level = self.median_flux()
        aperture = self._sum_pixels()
        if aperture is not None:
            sap.record(self, aperture, self._level)
        self._record()
        return self._verdict()

    @property
    def _bright(self):
        """Whether the star may fill pixels by itself."""
        return units.magnitude_to_flux(self.target['tmag'], self.tile.zero_point) > SATURATING

    @property
    def model_image(self):
        """The mean image of the stamp as the scene explains it, stars and sky, (rows, columns), e-/s."""
        light = starlight.StampLight.of(self)
        return light.others + light.flux * light.template

    def _settle(self):
        """Flux and errors of a star that is so bright that errors of its image rise above the noise."""
        mean, star = self.tile.mean, self._place
        slope = (sap.WHOLE_SLOPE_ERROR if mean.seen[star] > WHOLE else
                 sap.SLOPE_ERROR if mean.held[star] > WHOLE else sap.BLIND_SLOPE_ERROR)
        taken = sap.clean_motion(self, slope)
        # What is much against one error may be little against a larger one.
        if sap.count_unrest(self) and not taken:
            sap.clean_motion(self, slope)

    def _sum_pixels(self):
        """Plain sums beside the fit, where there is an aperture; else None."""
        try:
            aperture = sap.choose_mask(self)
        except (NoFluxError, FluxOnEdgeError):
            return None
        sap.fill_sums(self, aperture.mask)
        return aperture

    def _record(self):
        tile = self.tile
        mean, series = tile.mean, tile.series
        template = mean.layout.template[self._place]
        merged = tile.merged_with(self.catalog_index)
        chi2 = float(series.template_chi2[template]) / sap.noise_gain(self) ** 2
        self.details |= {'chi2': chi2 if np.isfinite(chi2) else None, 'merged_with': merged.tolist(),
                         'neighbours': 'scene'}
        self.additional_headers |= {
            'PSF_CHI2': (self.details['chi2'], "reduced chi square of the star's pixels"),
            'PSF_NPIX': (int(series.pixels[template]), "pixels of the star's image that were fitted"),
            'PSF_SEEN': (float(series.seen[template]), "part of the star's light on them"),
            'PSF_NBRS': (int((series.pixels > 0).sum()) - 1, 'other stars fitted along'),
            'N_MERGED': (len(merged), 'stars that cannot be told from this one')}

    def _verdict(self):
        """OK, or WARNING with a remark when a reader should look."""
        return remarks.verdict(self, self._remarks())

    def _remarks(self):
        yield from remarks.common(self, self._level, self.details['merged_with'])
        mean = self.tile.mean
        seen = float((mean.held if self._bright else mean.seen)[self._place])
        if seen < SEEN:
            yield f'Only {100 * seen:.0f} % of its light falls on pixels that can be used.'
