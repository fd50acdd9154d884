"""Halo photometry: the flux of a star from the pixels around it that it does not saturate."""

from __future__ import annotations

import logging
from functools import cached_property

import numpy as np

from photometry.algorithms import full_pixels, halo, halo_pixels, halo_scene, halo_star, self_template
from photometry.core import starids, units
from photometry.core.errors import FluxOnEdgeError, NoFluxError, NoGoodCadencesError
from photometry.core.status import STATUS
from photometry.methods import remarks, sap
from photometry.methods.base import BasePhotometry

logger = logging.getLogger(__name__)

RADIUS = 20.0
RADIUS_TMAG = 5.5
GROWTH = 6.0
RADII = (12.0, 45.0)
"""Radius of the halo at a Tmag, px, its growth for a star brighter by a magnitude, and its limits."""

NEAR = 10.5
"""Radius of the part of it that `sap_flux` sums, px."""

LEAST_PIXELS = 25
"""Pixels that a halo must have."""

LEAST_LIGHT = 0.002
"""Part of the star's light that they must hold."""

SEEN = 0.2
SATURATING = 7.0
"""Part of the light that the pixels must hold for a light curve without a remark, of stars
fainter than a magnitude: brighter ones saturate theirs."""

FOLLOWED = 4
STANDING = 2e-4
MOST_SHIFT = 2.0
"""How often the motion is sought in the pixels themselves, below which motion (px) that is enough,
and the most that is believed, px."""

LEAST_MOTION = 0.9
"""Part of the good cadences whose motion must have been measured for a light curve without a remark."""

CATALOG_ERROR = 1.0
"""Magnitudes by which a flux may differ from the catalogue's without a remark."""


class HaloPhotometry(BasePhotometry):
    """Flux from the unsaturated pixels around a star (docs/methods/halo.md).

    ``flux`` is the star's total flux: its mean from the model of a star's image on the
    kept pixels, its changes from the estimator that does best out of sample. ``sap_flux``
    is the plain sum of the kept pixels, which does not hold the saturated ones.
    """

    method = 'halo'

    @cached_property
    def radius(self):
        """Radius of the halo, px."""
        tmag = self.target['tmag']
        tmag = tmag if np.isfinite(tmag) else 15.0
        return float(np.clip(RADIUS + GROWTH * (RADIUS_TMAG - tmag), *RADII))

    def default_stamp(self):
        """Rows and columns that hold the halo."""
        side = 2 * int(np.ceil(self.radius)) + 1
        return side, side

    def do_photometry(self):
        """Choose the pixels, find the level, measure."""
        if not self.source.pixels.good.any():
            raise NoGoodCadencesError(f'{starids.name(self.starid)}: every cadence is flagged.')
        self._scene = self._fit_scene()
        self._choose_pixels()
        pixels = self._follow_star() if sap.unmoved(self) else self._make_pixels()
        self.series = halo.measure(pixels, np.asarray(self.columns['time']), self._square(pixels))
        self.weightmap = self._groups.spread(self.series.weights.mean(axis=0), self.stamp.shape)
        self._fill(pixels)
        self._record(pixels)
        return self._verdict()

    @cached_property
    def _variance(self):
        """Variance of the pixels in one frame, 1 where none is known."""
        variance = self.cutout.variance
        return np.where(np.isfinite(variance), variance, 1.0) * sap.noise_gain(self) ** 2

    @cached_property
    def _known(self):
        """Pixels that hold numbers and errors."""
        return self.cutout.collected & np.isfinite(self.cutout.variance)

    @cached_property
    def _star(self):
        """The star's image through the motion."""
        return halo_star.MovingStar(self.psf, self.stamp, self._shift, self.source.pixels.good)

    def _fit_scene(self):
        """The star alone in the mean image; its level from all pixels that are linear."""
        pixels = self.source.pixels
        peak = full_pixels.highest(self.images_cube, self.sumimage, pixels.good)
        self._clear = usable = self._known & ~full_pixels.spoilt(peak)
        if usable.sum() < LEAST_PIXELS:
            raise NoFluxError(f'{starids.name(self.starid)}: '
                              f'only {usable.sum()} pixels of the stamp can be used.')
        index = self.tile.stars_on(self.stamp)
        row, column = (axis[index] for axis in self.source.mean_positions)
        known = halo_scene.fit_scene(self.sumimage, self._variance, usable, self._star,
                                     (row, column, self.tile.expected_of(index)),
                                     int(np.searchsorted(index, self.catalog_index)))
        self._merged = self.source.starid[index[known.merged]]
        self._usable = self._known & ~full_pixels.truly_spoilt(
            peak, known.model, known.slopes + known.own_slopes, self._shift[pixels.good], self._variance)
        return known.with_level(self._variance / pixels.good.sum(), self._usable, self._star)

    def _choose_pixels(self):
        stamp, level = self.stamp, self._scene.level
        away = np.hypot((np.arange(stamp.row_min, stamp.row_max) - level.row)[:, None],
                        np.arange(stamp.col_min, stamp.col_max) - level.column)
        kept = self._usable & (away <= self.radius)
        if kept.sum() < LEAST_PIXELS:
            raise NoFluxError(f'{starids.name(self.starid)}: '
                              f'only {kept.sum()} pixels around the star can be used.')
        row, column = (int(np.floor(place - first + 0.5)) for place, first
                       in ((level.row, stamp.row_min), (level.column, stamp.col_min)))
        self._groups = halo_pixels.Groups.around(row, column, kept)
        near = kept & (away <= NEAR)
        self.final_phot_mask = self.final_position_mask = near if near.any() else kept

    @cached_property
    def _shift(self):
        """Motion of the star against the mean image, (times, 2), px: rows, columns."""
        moved = np.asarray(self.columns['pos_corr'])[:, ::-1]
        return moved - moved[self.source.pixels.good].mean(axis=0)

    def _make_pixels(self):
        good, time = self.source.pixels.good, np.asarray(self.columns['time'])
        segment = halo_pixels.find_segments(time, good, self.cadence / 86400)
        pixels = halo_scene.make_pixels(self.images_cube, self._variance, self._scene, self._groups,
                                        self._clear, self._star, segment)
        self._light = light = float(pixels.model.sum())
        if light < LEAST_LIGHT:
            kind = NoFluxError if self.stamp.shape == self.default_stamp() else FluxOnEdgeError
            raise kind(f'{starids.name(self.starid)}: the pixels that can be used hold only '
                       f'{100 * light:.2g} % of its light.')
        return pixels

    def _follow_star(self):
        """The pixels with the motion that they show themselves, where no other was measured."""
        pixels = self._make_pixels()
        for _ in range(FOLLOWED):
            found, spread = self_template.displacements(pixels)
            if spread.max() < STANDING:
                break
            shift = np.clip(self._shift + found, -MOST_SHIFT, MOST_SHIFT)
            self._shift = shift - shift[self.source.pixels.good].mean(axis=0)
            self.__dict__.pop('_star', None)
            pixels = self._make_pixels()
        return pixels

    def _square(self, pixels):
        """Variances of the groups in every frame, those of a group all like that of its first pixel."""
        square = np.square(self._groups.samples(self.images_err_cube))
        square *= (self._groups.number * sap.noise_gain(self) ** 2).astype('float32')[:, None]
        if pixels.missing is not None:
            square[pixels.missing] = 0
        return np.nan_to_num(square, copy=False, nan=0.0)

    def _fill(self, pixels):
        sap.fill_sums(self, self.final_phot_mask)
        columns, place = self.columns, self._scene.level
        columns['flux'][:], columns['flux_err'][:] = self.series.flux, self.series.flux_err
        centroid = columns['pos_centroid']
        centroid[:, 0] = place.column + self._shift[:, 1]
        centroid[:, 1] = place.row + self._shift[:, 0]

    def _record(self, pixels):
        series, judged, level = self.series, self.series.judgement, self._scene.level
        weights = np.abs(series.weights.mean(axis=0))
        own = float(weights @ pixels.profile) * level.flux
        others = float(weights @ self._groups.sums(self._scene.others))
        self.details |= {
            'contamination': float(np.clip(others / (own + others), 0, 1)) if own + others > 0 else None,
            'throughput': float(pixels.model.sum()), 'neighbours': 'scene',
            'mask_size': self._groups.row.size, 'edge_flux': 0.0,
            'overfit': judged.overfit, 'halo_estimator': judged.name, 'halo_kept': judged.kept,
            'halo_scatter': dict(judged.scatter), 'halo_level_error': level.error,
            'merged_with': self._merged.tolist()}
        self.additional_headers |= {
            'HALO_EST': (judged.name, 'estimator of the flux'),
            'HALO_NPX': (self._groups.row.size, 'pixels of the halo'),
            'HALO_RAD': (self.radius, '[px] its radius'),
            'HALO_LEV': (level.flux, '[e-/s] mean flux by the image of a star'),
            'HALO_LER': (level.error, '[e-/s] its error'),
            'HALO_KEP': (judged.kept, 'part of an injected slow signal that is left'),
            'HALO_DRI': (judged.drift, 'motion left in the light curve was taken away'),
            'HALO_OVR': (judged.overfit, 'scatter out of sample over that in the sample'),
            'HALO_SEG': (len(series.weights), 'sets of weights')}
        for name, scatter in judged.scatter.items():
            self.additional_headers[f'HALO_{name[:3].upper()}'] = (
                scatter, f'[e-/s] scatter out of sample of {name}')

    def _verdict(self):
        flux = np.asarray(self.columns['flux'])[self.source.pixels.good]
        if not np.isfinite(flux).any():
            raise NoFluxError(f'{starids.name(self.starid)}: no cadence has a flux.')
        remarks = list(self._remarks(float(np.nanmedian(flux))))
        for remark in remarks:
            self.report_details(error=remark)
        return STATUS.WARNING if remarks else STATUS.OK

    def _remarks(self, flux):
        """What is a bit fishy about the light curve, in sentences."""
        if sap.unmoved(self):
            yield 'No motion of the stars was measured; it was taken from the star itself.'
        else:
            known = self.source.measured
            if known < LEAST_MOTION:
                yield (f'The motion of the stars was measured in only {100 * known:.0f} % of the good '
                       'cadences and is interpolated in the others.')
        if self._light < SEEN and flux < units.magnitude_to_flux(SATURATING):
            yield f'Only {100 * self._light:.0f} % of its light falls on pixels that can be used.'
        yield from remarks.sum_with(self, self._merged)
        expected = float(units.magnitude_to_flux(self.target['tmag']))
        if not flux > 0:
            yield 'The median flux is not positive.'
        elif abs(2.5 * np.log10(flux / expected)) > CATALOG_ERROR:
            yield (f'The flux is {2.5 * np.log10(flux / expected):+.1f} mag off that of the catalogue: '
                   'a wrong magnitude or a neighbour without an entry.')
