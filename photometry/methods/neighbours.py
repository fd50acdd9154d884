"""The neighbours of a star that matter for its light curve, and how much."""

from __future__ import annotations

import numpy as np

from photometry.core.coordinates import to_one_based
from photometry.methods import sap, starlight

LEAST_LIGHT = 1e-4
"""Part of all starlight in the mask, or under the star's PRF, from which a neighbour matters."""

NEAREST = 3
"""Neighbours that are named however faint they are."""

SATURATING = 1.5e5
"""Least flux of a star that saturates pixels itself, e-/s: half of full well in its brightest pixel."""

MERGED, ADDED, SATURATED = 1, 2, 4
"""Bits of the column FLAGS."""


def describe(photometry):
    """The neighbours that matter and the contamination of a fit of the star alone.

    Parameters
    ----------
    photometry : BasePhotometry
        Finished.

    Returns
    -------
    dict of ndarray (neighbours,)
        By the names of `lightcurve_schema.NEIGHBOURS`, most light first.
    float
        PSF_CONT: the neighbours' part of the light under the star's PRF; NaN where there is none.
    """
    light = _light_of(photometry)
    stars, mask = light.whole, photometry.final_phot_mask
    psf_weights = _psf_weights(light.template, photometry.cutout.variance)
    if mask is None:
        held, psf = np.full(stars.flux.size, np.nan), _parts(light.parts(psf_weights))
    else:
        held, psf = map(_parts, light.parts(np.stack([mask, psf_weights])))
    row, column = light.place
    distance = np.hypot(stars.row - row, stars.column - column)
    matters = np.fmax(np.abs(held), np.abs(psf)) >= LEAST_LIGHT
    matters[np.argsort(distance, kind='stable')[:NEAREST + 1]] = True
    matters[light.star] = False
    chosen = np.flatnonzero(matters)
    chosen = chosen[np.argsort(-np.nan_to_num(psf[chosen]), kind='stable')]
    starid, tmag = _names(photometry, light, chosen)
    correlation, merged = _in_the_scene(photometry, light, chosen)
    flags = MERGED * merged + ADDED * (starid == 0) + SATURATED * (stars.flux[chosen] > SATURATING)
    return {
        'STARID': starid, 'TMAG': tmag, 'FLUX': stars.flux[chosen],
        'ROW': to_one_based(stars.row[chosen]), 'COLUMN': to_one_based(stars.column[chosen]),
        'DISTANCE': distance[chosen], 'LIGHT': held[chosen], 'PSF_LIGHT': psf[chosen],
        'CORREL': correlation, 'FLAGS': flags}, float(1 - psf[light.star])


def _light_of(photometry):
    """Light of all stars on the stamp; that of the aperture where one was chosen."""
    for holder in (photometry, sap.sibling_of(photometry)):
        aperture = getattr(holder, 'chosen', None)
        if aperture is not None and aperture.light.stamp == photometry.stamp:
            return aperture.light
    return starlight.StampLight.of(photometry)


def _parts(amount):
    """Parts of each star in all light; NaN where there is none."""
    total = amount.sum()
    return amount / total if total > 0 else np.full(amount.size, np.nan)


def _psf_weights(template, variance):
    """Weights of a fit of the star alone: its image over the variance."""
    known = np.isfinite(variance) & (variance > 0)
    return np.where(known, template / np.where(known, variance, 1.0), 0.0)


def _names(photometry, light, chosen):
    """Numbers and magnitudes of stars in the catalogue; 0 and NaN for those that are in none."""
    tile, source = photometry.tile, photometry.source
    index = tile.index if _of_the_tile(tile, light) else tile.stars_on(photometry.stamp)
    known = chosen < index.size
    starid, tmag = np.zeros(chosen.size, dtype='int64'), np.full(chosen.size, np.nan)
    starid[known], tmag[known] = (values[index[chosen[known]]] for values in (source.starid, source.tmag))
    return starid, tmag


def _of_the_tile(tile, light):
    return light.whole is starlight.of_tile(tile)


def _in_the_scene(photometry, light, chosen):
    """How stars stand in the scene of the tile.

    Returns
    -------
    correlation : ndarray (neighbours,)
        Of their fluxes in the mean image with the star's; NaN outside of the scene.
    merged : ndarray (neighbours,) of int
        1 where they share the star's template.
    """
    tile = photometry.tile
    if not _of_the_tile(tile, light):
        return np.full(chosen.size, np.nan), np.zeros(chosen.size, dtype=int)
    template, covariance = tile.mean.layout.template, tile.mean.covariance
    own, other = template[light.star], template[chosen]
    spread = np.sqrt(covariance[other, other] * covariance[own, own])
    with np.errstate(invalid='ignore', divide='ignore'):
        return covariance[own, other] / spread, (other == own).astype(int)
