"""Aperture photometry: a sum of pixels, less the neighbours, over the part of the light it holds."""

from __future__ import annotations

import logging
from functools import partial

import numpy as np

from photometry.algorithms import apertures, masks, metrics
from photometry.core import units
from photometry.core.coordinates import ccd_output
from photometry.core.errors import FluxOnEdgeError, NoFluxError, UsageError
from photometry.core.quality import PixelFlag
from photometry.core.status import STATUS
from photometry.methods.base import BasePhotometry

logger = logging.getLogger(__name__)

LEAST_THROUGHPUT = 0.3
"""Part of the star's light that a mask cut by the edge of the pixels must still hold."""

UNCORRECTED_JITTER = 0.010
"""Pointing noise assumed where no motion was measured that FLUX could be corrected for, px."""

SLACK = 0.05
"""Part of the signal to noise of the plain sum that is given up for the sake of the weighted one."""

SKY_LIGHT = 3.0
LEAST_SKY = 30
"""Starlight below which a pixel of the stamp tells about the sky, e-/s, and how many are needed."""

LEAST_MOTION = 0.9
"""Part of the good cadences whose motion must have been measured for a light curve without a remark."""

CATALOG_ERROR = 1.0
"""Magnitudes by which a flux may differ from the catalogue's without a remark."""

LEAST_LIGHT = 0.1
"""Part of the star's light that any mask must hold: else others cover the star."""

LEAST_HELD = 0.1
"""Part of its usual light that the sum must hold in a frame: else the star has moved out of it."""

MOST_CONTAMINATION = 0.95
"""Part of the light in the mask that neighbours may give without a remark."""

NEGLIGIBLE = 1e-5
"""Part of the light in the mask below which a neighbour is left out."""


class AperturePhotometry(BasePhotometry):
    """Sum over the pixels of greatest signal to noise.

    ``flux`` is the star's total flux: ``(sum - sum_j f_j c_j(t)) / c(t)``, where
    c are the parts of the light of the star and of its neighbours in the sum
    at the measured positions, and f_j the neighbours' fluxes in the mean image.
    That sum weighs the pixels of the mask by signal over variance, unless the
    settings forbid it; ``sap_flux`` is the plain sum.
    """

    method = 'aperture'

    def do_photometry(self):
        """Choose the mask, growing the stamp while it touches the edge, and sum."""
        self._grow_stamp()
        self._fill_sums()
        self._fill_flux()
        self._record()
        return self._verdict()

    def _grow_stamp(self):
        settings = self.settings.aperture
        for _ in range(settings.stamp_growths + 1):
            self._model_stars()
            self.final_phot_mask = self._make_mask()
            sides = masks.touched_sides(self.final_phot_mask)
            growth = {name: settings.stamp_growth for name, touched
                      in zip(('down', 'up', 'left', 'right'), sides, strict=True) if touched}
            if not growth or not self.resize_stamp(**growth):
                break
        else:
            raise FluxOnEdgeError(f'TIC {self.starid}: its light still touches the edge of the stamp '
                                  f'after {settings.stamp_growths} growths; '
                                  'allow more by aperture.stamp_growths in the settings.')
        self.final_position_mask = self.final_phot_mask

    def _model_stars(self):
        """Templates of the target and its neighbours in the mean image of the stamp."""
        tile, stamp = self.tile, self.stamp
        index = tile.stars_on(stamp)
        row, column = tile.mean_positions(index)
        templates = self.psf.render(row, column, stamp)
        flux = tile.flux_of(index)
        own = index == self.catalog_index
        self._own_place = float(row[own][0]), float(column[own][0])
        self._own_template, self._own_flux = templates[own][0], float(flux[own][0])
        self._neighbour_place = row[~own], column[~own]
        self._neighbour_flux = flux[~own]
        self._neighbour_template = templates[~own]

    @property
    def _unmoved(self):
        return self.MovementKernel.warpmode == 'unchanged' or not self._motion_known.any()

    @property
    def _motion_known(self):
        return self.MovementKernel.known[self.source.pixels.good]

    @property
    def _jitter(self):
        jitter = self.settings.aperture.pointing_jitter
        return max(jitter, UNCORRECTED_JITTER) if self._unmoved else jitter

    def _make_mask(self):
        if self.settings.aperture.mask != 'snr':
            raise UsageError(f"aperture.mask = {self.settings.aperture.mask!r} is unknown; known is 'snr'.")
        variance = np.where(self.cutout.collected, self.cutout.variance, np.inf)
        light = max(self._own_flux, 1.0) * self._own_template
        every = light + np.tensordot(self._neighbour_flux, self._neighbour_template, 1)
        own_trail = light.max() > masks.SATURATION / 2
        if not own_trail:
            # Charge of a brighter star runs there, which no model of the light follows.
            variance[masks.bleeding(masks.saturated(self.sumimage))] = np.inf
        choose = partial(masks.snr_mask, light, variance, np.gradient(every),
                         slack=SLACK if self.settings.aperture.weighting else 0.0)
        mask = choose(jitter=self._jitter)
        if any(masks.touched_sides(mask)) and self._own_template[mask].sum() < LEAST_THROUGHPUT:
            # Where the edge cuts a star in two, fear of its motion leaves hardly a pixel.
            mask = choose(jitter=0.0)
        if not mask.any() or self._own_template[mask].sum() < LEAST_LIGHT:
            raise NoFluxError(f'TIC {self.starid}: no pixel that can be used holds enough light of the star.')
        start = tuple(np.unravel_index(np.argmax(np.where(mask, light, 0)), mask.shape))
        self._trail = (masks.bleed_mask(self.sumimage, start) & np.isfinite(variance) if own_trail
                       else np.zeros_like(mask))
        mask |= self._trail
        self._weights = (apertures.optimal_weights(light, variance, mask, self._trail)
                         if self.settings.aperture.weighting else mask.astype('float64'))
        return mask

    def _fill_sums(self):
        mask, table = self.final_phot_mask, self.lightcurve
        # Columns are filled in place: a new one costs a quarter of a millisecond.
        table['sap_flux'][:] = apertures.sum_pixels(self.images_cube, mask)
        info = self.source.pixels.info
        self._gain = apertures.clipping_gain(info.n_readout, info.num_frm, info.crmiten)
        table['sap_flux_err'][:] = self._gain * apertures.sum_errors(self.images_err_cube, mask)
        background = apertures.sum_pixels(self.backgrounds_cube, mask)
        table['flux_background'][:] = background
        table['flux_background_err'][:] = metrics.mad(np.diff(background)) / np.sqrt(2)
        flags = apertures.any_flag(self.pixelflags_cube, mask)
        table['pixel_quality'][:] = flags & ~np.int32(PixelFlag.NOT_USED_FOR_BACKGROUND)
        row, column = apertures.centroid(self.images_cube, mask, self.stamp)
        table['pos_centroid'][:] = np.stack([column, row], axis=1)

    def _fill_flux(self):
        table, weights = self.lightcurve, self._weights
        place = np.array([[axis] for axis in self._own_place])
        fraction = self._moving(*place)[0]
        parts = self._neighbour_flux * np.tensordot(self._neighbour_template, weights, 2)
        level = max(abs(self._own_flux), 1.0)
        moving = np.abs(parts) > 1e-3 * level
        others = parts[~moving & (np.abs(parts) > NEGLIGIBLE * level)].sum() + np.zeros(fraction.size)
        if moving.any():
            row, column = (axis[moving] for axis in self._neighbour_place)
            others = others + self._neighbour_flux[moving] @ self._moving(row, column)
        total = apertures.sum_pixels(self.images_cube, weights) - others
        error = self._gain * apertures.sum_errors(self.images_err_cube, weights)
        pixels = self._sky_pixels()
        if self.settings.aperture.local_sky and pixels.sum() >= LEAST_SKY:
            sky = apertures.local_sky(self.images_cube, self._gain * self.images_err_cube, pixels,
                                      self.source.pixels.good)
            area = weights.sum()
            # The star itself shines on those pixels: a change of its flux is no change of the sky.
            leak = sky.trust * area * float(self._own_template[pixels].mean())
            total = total - area * sky.change - leak * self._own_flux
            fraction = fraction - leak
            error = np.hypot(error, area * sky.error)
        held = fraction > LEAST_HELD * np.median(fraction[self.source.pixels.good])
        fraction = np.where(held, fraction, np.nan)
        for name, values in (('flux', total), ('flux_err', error)):
            table[name][:] = np.where(np.isfinite(values), values, np.nan) / fraction

    def _sky_pixels(self):
        """Pixels of the stamp outside the mask that hold hardly any starlight, known or not."""
        light = np.tensordot(self._neighbour_flux, self._neighbour_template, 1)
        light = light + self._own_flux * self._own_template
        dark = (light < SKY_LIGHT) & (np.abs(self.sumimage) < 2 * SKY_LIGHT)
        return dark & ~self.final_phot_mask & self.cutout.collected & np.isfinite(self.cutout.variance)

    def _moving(self, row, column):
        """Part of stars' light in the weighted sum of every frame, (stars, times).

        All move as the target does: over a stamp affine motion differs by 1e-4 px.
        """
        motion, good = np.asarray(self.lightcurve['pos_corr']), self.source.pixels.good
        right, down = (motion - motion[good].mean(axis=0)).T
        return apertures.moving_fraction(partial(self.psf.render, stamp=self.stamp),
                                         row, column, down, right, self._weights)

    def _record(self):
        mask = self.final_phot_mask
        flux = np.asarray(self.lightcurve['flux'])[self.source.pixels.good]
        self._throughput = float(self._own_template[mask].sum())
        others = float(self._neighbour_flux @ self._neighbour_template[:, mask].sum(axis=1))
        total = self._throughput * float(np.nanmedian(flux)) + others
        self.details |= {
            'contamination': float(np.clip(others / total, 0, 1)) if total > 0 else None,
            'throughput': self._throughput, 'neighbours': 'scene', 'mask_size': int(mask.sum()),
            'edge_flux': float(np.nansum(self.sumimage[masks.edge_pixels(mask)]))}
        settings, info = self.settings.aperture, self.source.pixels.info
        output = int(ccd_output(self.target_pos_column))
        self.additional_headers |= {
            'AP_MASK': (settings.mask, 'mask maker'), 'AP_NPIX': (int(mask.sum()), 'pixels in the mask'),
            'AP_WEIGH': (settings.weighting, 'FLUX weighs pixels by signal over variance'),
            'AP_SKY': (settings.local_sky, 'FLUX corrected for the sky of the stamp'),
            'AP_JITT': (self._jitter, '[px] pointing noise assumed for the mask'),
            'READNOIS': (float(info.readnoise[output]), '[e-] read noise'),
            'AP_SHIFR': (float(self.tile.shift[0]), '[px] stars beside the catalogue, rows'),
            'AP_SHIFC': (float(self.tile.shift[1]), '[px] the same, columns')}

    def _verdict(self):
        """OK, or WARNING with a remark when a reader should look."""
        if any(masks.touched_sides(masks.saturated(self.sumimage) & self._trail)[:2]):
            raise FluxOnEdgeError(f'TIC {self.starid}: its charge bleeds beyond the pixels there are.')
        cut = any(masks.touched_sides(self.final_phot_mask))
        if cut and self._throughput < LEAST_THROUGHPUT:
            raise FluxOnEdgeError(f'TIC {self.starid}: the edge of the pixels leaves only '
                                  f'{100 * self._throughput:.0f} % of its light.')
        remarks = list(self._remarks(cut))
        for remark in remarks:
            self.report_details(error=remark)
        return STATUS.WARNING if remarks else STATUS.OK

    def _remarks(self, cut):
        """What is a bit fishy about the light curve, in sentences."""
        if cut:
            yield 'The aperture touches the edge of the pixels.'
        if self._unmoved:
            yield 'No motion of the stars was measured; the flux is not corrected for it.'
        elif self._motion_known.mean() < LEAST_MOTION:
            yield (f'The motion of the stars was measured in only {100 * self._motion_known.mean():.0f} % of '
                   'the good cadences and is interpolated in the others.')
        flux = float(np.nanmedian(np.asarray(self.lightcurve['flux'])[self.source.pixels.good]))
        expected = float(units.magnitude_to_flux(self.target['tmag'], self.tile.zero_point))
        if not flux > 0:
            yield 'The median flux is not positive.'
        elif abs(2.5 * np.log10(flux / expected)) > CATALOG_ERROR:
            yield (f'The flux is {2.5 * np.log10(flux / expected):+.1f} mag off that of the catalogue: '
                   'a wrong magnitude or a neighbour without an entry.')
        if (self.details['contamination'] or 0) > MOST_CONTAMINATION:
            yield f'Neighbours give {100 * self.details["contamination"]:.1f} % of the light in the aperture.'
        if self.task.skipped_by is not None:
            yield f'TIC {self.task.skipped_by}, brighter, delivers this star as well.'
