"""Aperture photometry: a sum of pixels, less the neighbours, over the part of the light it holds."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import masks, metrics
from photometry.algorithms.prf import HALF
from photometry.core import starids
from photometry.core.errors import FluxOnEdgeError
from photometry.methods import remarks, sap, starlight, tile_sky, varying_stars
from photometry.methods.base import BasePhotometry

LEAST_HELD = 0.1
"""Part of its usual light that the sum must hold in a frame: else the star has moved out of it."""

MOST_CONTAMINATION = 0.95
"""Part of the light in the mask that neighbours may give without a remark."""


class AperturePhotometry(BasePhotometry):
    """Sum over the pixels of greatest signal to noise, or of a cluster.

    ``flux`` is the star's total flux: ``(sum - others(t)) / c(t)``, where c is the
    part of the star's light in the sum at the measured position, and others the light
    of its neighbours there and of the sky that the background model left.
    That sum weighs the pixels of the mask by signal over variance, unless the
    settings forbid it; ``sap_flux`` is the plain sum (docs/methods/aperture.md).
    """

    method = 'aperture'

    def do_photometry(self):
        """Choose the mask, growing the stamp while it touches the edge, and sum."""
        self.chosen = sap.choose_mask(self)
        total, error = sap.fill_sums(self, self.chosen.mask, self.chosen.weights)
        self._fill_flux(total, error)
        if self.chosen.trail.any():
            sap.clean_motion(self)
        self._level = self.median_flux()
        sap.record(self, self.chosen, self._level)
        return self._verdict()

    def _fill_flux(self, total, error):
        light, weights = self.chosen.light, self.chosen.weights
        right, down = self._displacement()
        held, others = light.held(weights, down, right)
        usual = float((light.template * weights).sum())
        total = total - others
        leak = self._leak_of_neighbours(error)
        if leak is not None:
            total, error = total - leak[0], np.hypot(error, leak[1])
        sky = self._sky()
        if sky is None:
            error = np.hypot(error, sap.background_error(self, weights))
        else:
            area = weights.sum()
            # The star itself shines on those pixels: a change of its flux is no change of the sky.
            leak = area * self._leak(sky)
            total = total - area * sky.change - leak * light.flux
            held = held - leak
            error = np.sqrt(np.square(error) + np.square(area * sky.error))
        held = np.where(held > LEAST_HELD * usual, held, np.nan)
        for name, values in (('flux', total), ('flux_err', error)):
            self.columns[name][:] = np.where(np.isfinite(values), values, np.nan) / held

    def _displacement(self):
        """Motion of the star from its place in the mean image along columns and rows, (2, times), px."""
        moved = np.ascontiguousarray(self.columns['pos_corr'].T)
        for axis, mean, place in zip(moved[::-1], self.source.mean_positions, self.source.positions,
                                     strict=True):
            axis -= mean[self.catalog_index] - place[self.catalog_index]
        return moved

    def _leak_of_neighbours(self, error):
        """(change, error) of the light of neighbours that vary; None where none matters."""
        tile, light = self.tile, self.chosen.light
        if light.whole is not starlight.of_tile(tile):
            return None
        noise = metrics.median(metrics.finite(error[self.source.pixels.good]))
        matter = varying_stars.MATTERS * noise
        return varying_stars.of_tile(tile).leak(light.star, light.parts(self.chosen.weights, matter), matter)

    def _sky(self):
        """`~photometry.algorithms.local_sky.LocalSky` at the star, or None."""
        if not self.settings.aperture.local_sky:
            return None
        return tile_sky.around(self.tile, *self.chosen.light.place)

    def _leak(self, sky):
        """Part of the star's light in a typical one of the pixels that told about the sky, (times,)."""
        blocks, (row, column) = tile_sky.of_tile(self.tile), self.chosen.light.place
        wing = self.psf.wing
        if wing is None:
            return 0.0
        distance = np.maximum(np.hypot(blocks.row - row, blocks.column - column), HALF)
        return sky.of(np.where(distance < wing.radius, wing.amplitude * distance ** -wing.exponent, 0.0))

    def _verdict(self):
        """OK, or WARNING with a remark when a reader should look."""
        trail = self.chosen.trail
        if trail.any() and any(masks.touched_sides(masks.saturated(self.sumimage) & trail)[:2]):
            raise FluxOnEdgeError(f'{starids.name(self.starid)}: '
                                  'its charge bleeds beyond the pixels there are.')
        cut = any(masks.touched_sides(self.final_phot_mask))
        if cut and self.chosen.throughput < sap.LEAST_THROUGHPUT:
            raise FluxOnEdgeError(f'{starids.name(self.starid)}: the edge of the pixels leaves only '
                                  f'{100 * self.chosen.throughput:.0f} % of its light.')
        return remarks.verdict(self, self._remarks(cut))

    def _remarks(self, cut):
        """What is a bit fishy about the light curve, in sentences."""
        if self.chosen.remark:
            yield self.chosen.remark
        if cut:
            yield 'The aperture touches the edge of the pixels.'
        yield from remarks.common(self, self._level)
        if (self.details['contamination'] or 0) > MOST_CONTAMINATION:
            yield f'Neighbours give {100 * self.details["contamination"]:.1f} % of the light in the aperture.'
