"""Everything but the star itself on its stamp, and the pixels of its halo less all that is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from photometry.algorithms import halo_level, scene
from photometry.algorithms.halo_pixels import HaloPixels, motion_basis, sky_shapes

MODEL_ERROR = 0.01
"""Relative error of the model that tempers the weights of bright pixels in the scene."""

PROFILE_ERROR = 0.1
"""Relative error of the model's image that the star's mean image may correct."""

BRIGHT_PART = 1e-6
"""Part of the target's flux from which on the motion of another star is followed."""


@dataclass(frozen=True)
class HaloScene:
    """A star on its stamp in the mean image.

    Attributes
    ----------
    stamp : Stamp
    level : photometry.algorithms.halo_level.Level
    image : ndarray (rows, columns)
        Mean image of the star alone: less the others and the sky.
    template : ndarray (rows, columns)
        Model of the star's image: the fraction of its light in each pixel.
    others : ndarray (rows, columns)
        Light of all other stars.
    sky : ndarray (rows, columns)
        What is left of the sky.
    slopes : ndarray (2, rows, columns)
        Change of the light of the others by a displacement in row and column, e-/s a px.
    own_slopes : ndarray (2, rows, columns)
        The same of the star's own light.
    merged : ndarray (n,) of int
        Numbers of the stars whose light cannot be told from the star's.
    """

    stamp: object
    level: halo_level.Level
    image: np.ndarray
    template: np.ndarray
    others: np.ndarray
    sky: np.ndarray
    slopes: np.ndarray
    own_slopes: np.ndarray
    merged: np.ndarray

    @property
    def model(self):
        """Light of all stars by their models, (rows, columns)."""
        return self.others + self.level.flux * self.template

    def with_level(self, variance, usable, star):
        """The same with the star's flux and place fitted to some pixels.

        Parameters
        ----------
        variance : ndarray (rows, columns)
            Noise of the mean image, (e-/s)^2.
        usable : ndarray (rows, columns) of bool
        star : photometry.algorithms.halo_star.MovingStar
        """
        start = self.level
        place = start.row, start.column
        level = halo_level.fit_level(self.image, variance, usable, star, place, start.flux)
        template, *slopes = star.mean(level.row, level.column)
        return replace(self, level=level, image=self.image - level.sky, sky=self.sky + level.sky,
                       template=template, own_slopes=level.flux * np.stack(slopes))


def fit_scene(sumimage, variance, usable, star, stars, target):
    """Fit all stars of the stamp, then the target by itself.

    Parameters
    ----------
    sumimage, variance : ndarray (rows, columns)
        Mean image and variance of a pixel in one frame.
    usable : ndarray (rows, columns) of bool
    star : photometry.algorithms.halo_star.MovingStar
    stars : tuple of ndarray (stars,)
        Row, column and expected flux.
    target : int
        Number of the target among them.

    Returns
    -------
    HaloScene
    """
    prf, stamp = star.prf, star.stamp
    light = np.maximum(np.nan_to_num(sumimage), 0)
    error = variance + (MODEL_ERROR * light) ** 2
    rim = halo_level.is_rim(stars[0][target], stars[1][target], stamp)
    error = error + (halo_level.RIM_ERROR * stars[2][target] * rim) ** 2
    mean = scene.fit_mean(sumimage, np.where(usable, error, np.inf), prf, *stars, stamp)
    merged = mean.merged_with(target)
    flux = float(mean.flux[target] + mean.flux[merged].sum())
    place = float(mean.row[target]), float(mean.column[target])
    alone = np.nan_to_num(mean.residual) + flux * prf.render(*place, stamp)[0]
    others = np.nan_to_num(sumimage) - alone - mean.sky_image()
    apart = np.ones(mean.flux.size, dtype=bool)
    apart[[target, *merged]] = False
    slopes = _slopes(prf, mean, apart & (mean.flux > BRIGHT_PART * flux), stamp)
    first = HaloScene(stamp, halo_level.Level(flux, np.nan, *place, 0.0), alone, np.zeros(stamp.shape),
                      others, mean.sky_image(), slopes, slopes, merged)
    return first.with_level(variance / max(star.good.sum(), 1), usable, star)


def _slopes(prf, mean, chosen, stamp):
    if not chosen.any():
        return np.zeros((2, *stamp.shape))
    _, down, right = prf.render(mean.row[chosen], mean.column[chosen], stamp, derivatives=1)
    return np.stack([np.tensordot(mean.flux[chosen], slope, 1) for slope in (down, right)])


def make_pixels(images, variance, known, groups, clear, star, segment):
    """The pixels of a halo for `halo.measure`.

    Parameters
    ----------
    images : ndarray (rows, columns, times)
        e-/s; NaN where unknown.
    variance : ndarray (rows, columns)
        Of a pixel in one frame.
    known : HaloScene
    groups : photometry.algorithms.halo_pixels.Groups
        The pixels.
    clear : ndarray (rows, columns) of bool
        Pixels that surely hold no charge of others.
    star : photometry.algorithms.halo_star.MovingStar
    segment : ndarray (times,) of int

    Returns
    -------
    HaloPixels
    """
    level, good, stamp = known.level, star.good, known.stamp
    variance, model = groups.sums(variance), groups.sums(known.template)
    rim = groups.samples(halo_level.is_rim(level.row, level.column, stamp))
    profile = _profile(groups.sums(known.image), level, model, variance / max(good.sum(), 1), rim)
    # Motion changes the light that is there by the part that the model says.
    response = star.follow(level.row, level.column, groups)
    response *= (profile / np.maximum(model, 1e-12)).astype('float32')[:, None]
    response -= profile.astype('float32')[:, None]
    rest = groups.sums(images)
    others = np.stack([groups.sums(slope) for slope in known.slopes])
    shift = star.shift.T.astype('float32')
    static = groups.sums(known.others + known.sky) + level.flux * profile
    rest -= others.T.astype('float32') @ shift + static.astype('float32')[:, None]
    rest -= np.float32(level.flux) * response
    missing = None
    if not np.isfinite(rest.sum()):
        missing = np.nonzero(~np.isfinite(rest))
        rest[missing] = 0
    shapes = star.prf.render(level.row, level.column, stamp, derivatives=2)[1:]
    own = np.stack([groups.sums(slope) for slope in known.own_slopes])
    return HaloPixels(rest, missing, variance, level.flux, profile, model, response, ~rim,
                      groups.samples(clear), np.concatenate([own + others, _sky(level, stamp, groups)]),
                      np.stack([groups.sums(shape[0]) for shape in shapes]), star.shift,
                      motion_basis(star.shift, good, segment), good, segment)


def _sky(level, stamp, groups):
    """Shapes that the sky may have, (6, groups)."""
    down, right = groups.row + stamp.row_min - level.row, groups.column + stamp.col_min - level.column
    shapes = sky_shapes(down, right, np.hypot(down, right).max())
    return np.add.reduceat(shapes, groups.first, axis=1)


def _profile(image, level, model, noise, rim):
    """The star's image as measured where that is known better than the model has it."""
    if not level.flux > 0:
        return model
    doubt = (PROFILE_ERROR * level.flux * model) ** 2 + (halo_level.RIM_ERROR * level.flux * rim) ** 2
    return model + doubt / (doubt + noise) * (image / level.flux - model)
