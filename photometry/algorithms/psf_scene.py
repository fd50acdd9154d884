"""One star of a scene, placed on its mean image and fitted in every cadence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from photometry.algorithms import psf_expansion, psf_neighbours, psf_place, psf_star
from photometry.algorithms.psf_surroundings import SceneSurroundings, Target
from photometry.core.stamp import Stamp

HALVES = ((1e5, 9), (3e4, 7), (1e3, 6), (-np.inf, 5))
"""Half width of the fitted stamp, px, and the flux from which on it serves, e-/s."""

OWN_COLUMNS = 3.0
"""Distance up to which a column may be full of the star's own light, px."""

LEAST_FINITE = 0.9
"""Part of the good frames in which a pixel must hold a number to be used."""


class Placed(NamedTuple):
    """A star where the mean image shows it."""

    star: int
    """Its number in the scene."""
    target: Target
    around: SceneSurroundings
    found: psf_place.Found
    light: float
    """Part of its light on pixels that can be used."""
    images: np.ndarray
    """Its image and the derivatives, (6, pixels)."""


def place(mean, doubt, star, blur, expected):
    """Refine the place of a star on the mean image, all others held.

    Parameters
    ----------
    mean : photometry.algorithms.scene_mean.MeanScene
    doubt : ndarray (templates,)
        Typical error of each template's flux in a frame, e-/s.
    star : int
    blur : photometry.algorithms.scene_design.Blur
        Motion in the frames of the mean image.
    expected : float
        Flux by the catalogue, e-/s; with those of stars that it cannot be told from.

    Returns
    -------
    Placed
    """
    flux = mean.template_flux[mean.layout.template[star]]
    target = target_of(mean, star, max(flux, expected))

    def render(offsets):
        if offsets.shape[1] > 2:  # a search needs no blur
            return target.render(offsets)
        return np.stack([psf_neighbours.blurred(target.render(offset[:, None] + blur.offset.T), blur)
                         for offset in offsets.T], axis=1)

    here, weights = np.zeros((2, 1)), _weights(mean, target)
    image = target.folded(mean.residual[target.stamp.slices(mean.stamp[::2])].ravel())
    image = image + flux * render(here)[0, 0]
    around = SceneSurroundings(mean, doubt, star, target, weights)
    with np.errstate(divide='ignore'):
        found = psf_place.refine(image, 1 / weights, render, around.still, expected)
    images = target.render(here)[:, 0]
    light = float(images[0] @ (weights > 0))
    if not found.offset.any():
        return Placed(star, target, around, found, light, images)
    placed = target.moved(found.offset)
    if found.moved:
        _aim(placed, mean, max(found.flux, expected))
        weights = _weights(mean, placed)
        around = SceneSurroundings(mean, doubt, star, placed, weights)
        images = placed.render(here)[:, 0]
        light = float(images[0] @ (weights > 0))
    return Placed(star, placed, around, found, light, images)


def _weights(mean, target):
    """Inverse variances of a star's pixels in the mean image; zero for those that are not used."""
    part = target.stamp.slices(mean.stamp[::2])
    usable = np.isfinite(mean.variance[part]) & np.isfinite(mean.residual[part])
    weights = np.where(usable, 1 / np.where(usable, mean.variance[part], 1.0), 0.0).ravel()
    trails, variance = mean.trails_on(target.stamp)
    weights[trails.flat(target.stamp.width)[trails.first]] = 1 / variance
    return weights


def target_of(mean, star, flux):
    """`Target` of a star of a scene, with those it cannot be told apart from.

    ``flux`` e-/s says how wide the stamp shall be.
    """
    layout = mean.layout
    members = np.flatnonzero(layout.template == layout.template[star])
    target = Target(mean.prf, mean.row[members], mean.column[members], layout.share[members], mean.stamp)
    _aim(target, mean, flux)
    return target


def _aim(target, mean, flux):
    """Choose the stamp of a star, with the whole of the trails in its own columns."""
    stamp = window(mean.stamp, target.place, flux)
    row, column = mean.trails.row + mean.stamp.row_min, mean.trails.column + mean.stamp.col_min
    near = np.abs(column - target.place[1]) < OWN_COLUMNS
    near &= (row >= stamp.row_min) & (row < stamp.row_max)
    near = np.isin(mean.trails.number, mean.trails.number[near])
    if near.any():
        stamp = stamp._replace(row_min=min(stamp.row_min, int(row[near].min())),
                               row_max=max(stamp.row_max, int(row[near].max()) + 1))
    target.stamp, (target.trails, _) = stamp, mean.trails_on(stamp)


def window(limits, place, flux):
    """Stamp that is fitted around a place, by the flux of the star."""
    half = next(half for least, half in HALVES if flux >= least)
    return Stamp.around(*place, 2 * half + 1, 2 * half + 1).clipped(limits)


def fit(mean, series, placed, pixels, errors, image, shift, good, **options):
    """Flux and place of a star in every frame.

    Parameters
    ----------
    mean : photometry.algorithms.scene_mean.MeanScene
    series : photometry.algorithms.scene_series.SceneSeries
    placed : Placed
    pixels, errors : ndarray (rows, columns, times)
        Images of ``placed.target.stamp`` with true standard errors, e-/s.
    image : ndarray (rows, columns)
        Their mean, as the scene was fitted to it.
    shift : ndarray (2, times)
        Motion of the star against the mean image, px.
    good : ndarray (times,) of bool
    **options
        Of `psf_star.fit_star`.

    Returns
    -------
    psf_star.StarSeries
    """
    target, times = placed.target, shift.shape[1]
    stamp = target.stamp
    others = psf_neighbours.light(mean, series, placed.star, stamp, image, shift, good)
    pixels, errors = (pixels - others).reshape(-1, times), errors.reshape(-1, times)
    if len(target.trails):
        pixels, errors = target.folded(pixels.T).T, np.sqrt(target.folded(np.square(errors).T).T)
    weights = frame_weights(pixels, errors, good) * (_weights(mean, target) > 0)
    options.setdefault('cell', psf_expansion.cell_for(placed.found.flux, placed.images, weights))
    return psf_star.fit_star(pixels, errors, weights, shift, good,
                             target.render, placed.around, **options)


def frame_weights(pixels, errors, good):
    """Inverse mean variance of the pixels (pixels, times) in good frames; zero for those that often fail."""
    chosen = slice(None) if good.all() or not good.any() else good
    square = np.asarray(errors[:, chosen], dtype='f4') ** 2
    mean = square.mean(axis=1, dtype='f8')
    valid = np.isfinite(mean) & np.isfinite(pixels[:, chosen].sum(axis=1, dtype='f8'))
    for pixel in np.flatnonzero(~valid):
        known = np.isfinite(square[pixel]) & np.isfinite(pixels[pixel, chosen])
        if known.mean() > LEAST_FINITE:
            mean[pixel], valid[pixel] = square[pixel][known].mean(dtype='f8'), True
    valid &= mean > 0
    return np.where(valid, 1 / np.where(valid, mean, 1.0), 0.0)
