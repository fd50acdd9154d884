"""Fluxes of all stars of a region in every frame, from one factorisation a group of frames."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from photometry.algorithms import far_light, shaking
from photometry.algorithms import scene_design as design
from photometry.algorithms.pointing import FAR, PointingGrid, is_near, monomials
from photometry.algorithms.prf import HALF
from photometry.algorithms.scene_balance import TELLING, Balance
from photometry.algorithms.scene_group import Group
from photometry.algorithms.scene_pixels import Pixels
from photometry.core.stamp import Stamp

REACH = 0.12
"""Shift up to which frames share the expansion about the mean image, px."""

CELL = 0.2
"""Size of the cells by which frames further off are grouped, px."""

THIRD = 0.07
"""Error of an expansion to second order as a part of the flux, over the third power of the shift in px:
at most 0.07 for Tmag 11.5, 0.02 for Tmag 6, 0.25 where the sky rules and noise hides it."""

UNSEEN = 0.25
"""Error in errors of the flux that does no harm."""

SHARP = 5e3
"""Flux of stars that a model renders at nodes of the motion, e-/s."""

EXPLAINED = 0.5
"""Part of the known starlight in a pixel that its image may be wrong by before others are suspected."""

SLOPE = 0.4
"""Change of an unknown star's light in a pixel by a shift of 1 px, over the light."""


@dataclass(frozen=True)
class SceneSeries:
    """Fluxes of the stars of a region in every frame.

    Attributes
    ----------
    mean : photometry.algorithms.scene_mean.MeanScene
    stamp : Stamp
        Pixels on which the sky is defined, those of the mean scene.
    window : Stamp
        Pixels that were fitted.
    template_flux, template_err : ndarray (templates, times)
        e-/s, the sum of the stars that share a template; NaN where nothing is known.
    sky : ndarray (6, times)
        Coefficients of `scene_design.sky_basis` on ``stamp``, without that of the mean image.
    covariance : ndarray (templates, templates)
        Of the fluxes of a typical frame; NaN for templates without usable pixels.
    template_chi2 : ndarray (templates,)
        Reduced, over the pixels of the template, in a sample of the frames.
    seen : ndarray (templates,)
        Part of the light that falls on pixels which can be used, added up to trails or not.
    pixels : ndarray (templates,) of int
        Pixels of the template that were used.
    shift, good : ndarray (times, 2) and (times,)
        As they were given.
    """

    mean: object
    stamp: Stamp
    window: Stamp
    template_flux: np.ndarray
    template_err: np.ndarray
    sky: np.ndarray
    covariance: np.ndarray
    template_chi2: np.ndarray
    seen: np.ndarray
    pixels: np.ndarray
    shift: np.ndarray = field(repr=False)
    good: np.ndarray = field(repr=False)

    @property
    def flux(self):
        """Fluxes (stars, times), e-/s; the sum for stars that share a template."""
        return self.template_flux[self.mean.layout.template]

    @property
    def flux_err(self):
        """Standard errors (stars, times), e-/s."""
        return self.template_err[self.mean.layout.template]

    @property
    def chi2(self):
        """Reduced chi square (stars,)."""
        return self.template_chi2[self.mean.layout.template]

    def model(self, stamp, leave_out=()):
        """Light of stars and sky in every frame.

        Stars without a flux shine as in the mean image; sky and motion, where unknown, are NaN.

        Parameters
        ----------
        stamp : Stamp
            Pixels of the mean scene.
        leave_out : sequence of int
            Stars that are left out, with those that share their templates.

        Returns
        -------
        ndarray (rows, columns, times), float32
        """
        gone = np.isin(self.mean.layout.template, self.mean.layout.template[list(leave_out)])
        light = MovingScene(_without(self.mean, gone), stamp, stamp, self.shift, self.good)
        light.bright = light.flux > SHARP
        change = np.nan_to_num(self.template_flux[light.kept] - self.mean.template_flux[light.kept, None])
        change[np.unique(light.layout.template[gone[light.stars]])] = 0.0
        made = np.full((stamp.height * stamp.width, len(self.shift)), np.nan, dtype='float32')
        for frames, middle in frame_groups(self.shift):
            phi = monomials(self.shift[frames] - middle)
            bands = light.bands(middle)
            design.add_wings(bands, light.wings)
            images, coefficients = light.moved(bands, frames, phi)
            part = images.reshape(len(images), -1).T @ coefficients
            part += light.sky.reshape(design.SKY_TERMS, -1).T @ self.sky[:, frames]
            for band in bands:
                rows = slice(band.rows.start * stamp.width, band.rows.stop * stamp.width)
                for plane in range(3):
                    part[rows] += band.values[plane].T @ (phi[plane] * change[band.members][:, frames])
            made[:, frames] = part
        return made.reshape(*stamp.shape, -1)


def _without(mean, gone):
    """A mean scene without some of its stars."""
    if not gone.any():
        return mean
    compact = gone & (mean.layout.template >= mean.layout.wide)
    stars = mean.row[compact], mean.column[compact], mean.flux[compact]
    far = far_light.on_region(mean.prf, *stars, mean.stamp)
    return dataclasses.replace(mean, flux=np.where(gone, 0.0, mean.flux), far=mean.far - far)


def fit_series(images, errors, mean, shift, good, *, stamp=None, window=None):
    """Fluxes of all stars in every frame, with weights that do not change.

    Frame t is the mean scene, moved, and deviations from it, for which the equations
    ``A0' W (y_t - A_t f) = 0`` hold: A0 are the templates at the mean positions of
    a group of frames, A_t those of the frame itself, to second order in its
    shift. They are solved with the inverse of ``A0' W A0``, then refined against
    ``A0' W A_t``.

    Parameters
    ----------
    images, errors : float32 ndarray (rows, columns, times)
        Pixels with standard errors, e-/s; NaN where not to be used.
    mean : photometry.algorithms.scene_mean.MeanScene
    shift : ndarray (times, 2)
        Motion against the mean image at the middle of the region, px; NaN where unknown.
    good : ndarray (times,) of bool
        Frames from which typical errors are taken.
    stamp : Stamp, optional
        Where the pixels lie, a part of that of the mean scene, which it is by default.
    window : Stamp, optional
        Pixels of these that are used, all by default.

    Returns
    -------
    SceneSeries
    """
    stamp = stamp or mean.stamp
    window = (window or stamp).clipped(stamp)
    shift = np.asarray(shift, dtype='float64')
    light = MovingScene(mean, stamp, window, shift, good)
    part, inside = stamp.slices(mean.stamp[::2]), window.slices(stamp[::2])
    variance = np.full(stamp.shape, np.inf)
    variance[inside] = mean.variance[part][inside]
    trails = mean.trails_on(window)[0].moved(window.row_min - stamp.row_min, window.col_min - stamp.col_min)
    pixels = Pixels(images, errors, variance, good, shift, trails)
    pixels.doubt(_unknown(mean.residual[part], mean.starlight[part], shift, good))
    count, times = mean.layout.number, len(shift)
    made = SceneSeries(mean, mean.stamp, window,
                       *(np.full((count, times), np.nan) for _ in range(2)),
                       np.full((design.SKY_TERMS, times), np.nan), np.full((count, count), np.nan),
                       np.full(count, np.nan), np.zeros(count), np.zeros(count, dtype=int),
                       shift, good)
    groups = frame_groups(shift)
    for number, chosen in enumerate(np.argsort([-len(frames) for frames, _ in groups], kind='stable')):
        group = Group(pixels, light, *groups[chosen])
        if number == 0:
            light.follow(group.information)
            balance = Balance(light, group.information, pixels, mean.starlight[part])
        _fill(made, group, balance, first=number == 0)
    if groups:
        made.template_flux[light.kept[balance.template]] += balance.correction(shift, good)
        _calm(made, light)
    return made


def _calm(series, light):
    """Take from bright stars what follows the motion from frame to frame."""
    level, bright = light.flux[light.telling], light.kept[light.telling]
    series.template_flux[bright] -= level[:, None] * shaking.shaken(
        series.template_flux[bright] / level[:, None], series.shift, series.good)


def _unknown(residual, light, shift, good):
    """What the motion makes of light that no known star explains, e-/s rms: (rows, columns)."""
    moved = shift[good & np.isfinite(shift).all(axis=1)]
    rms = np.sqrt((moved ** 2).sum(axis=1).mean()) if len(moved) else 0.0
    unknown = np.abs(np.nan_to_num(residual)) - EXPLAINED * np.abs(light)
    return SLOPE * rms * np.maximum(unknown, 0.0)


def _fill(series, group, balance, first):
    """Put what a group of frames gives into a series."""
    found = group.solve()
    balance.take(group, found.deviation)
    kept, frames = group.light.kept[found.free], group.frames
    series.template_flux[np.ix_(kept, frames)] = found.flux
    series.template_err[np.ix_(kept, frames)] = found.error
    series.sky[:, frames] = found.sky
    if first:
        series.covariance[np.ix_(kept, kept)] = found.covariance
        series.template_chi2[group.light.kept] = group.chi2(found.deviation)
        series.seen[group.light.kept] = group.held
        series.pixels[group.light.kept] = group.number


def frame_groups(shift):
    """Frames that share an expansion: list of (frames, middle).

    Those near the mean position make one group, the others are grouped by cells.
    """
    known = np.isfinite(shift).all(axis=1)
    near = known & (np.hypot(*np.where(known[:, None], shift, 0.0).T) <= REACH)
    groups = [(np.flatnonzero(near), np.zeros(2))] if near.any() else []
    far = np.flatnonzero(known & ~near)
    if far.size:
        cells, member = np.unique(np.round(shift[far] / CELL).astype(int), axis=0, return_inverse=True)
        groups += [(far[member.ravel() == number], shift[far[member.ravel() == number]].mean(axis=0))
                   for number in range(len(cells))]
    return groups


class MovingScene:
    """The stars that shine on some pixels, as the mean scene has them, wherever the spacecraft points.

    Parameters
    ----------
    mean : photometry.algorithms.scene_mean.MeanScene
    stamp : Stamp
    window : Stamp
        Pixels of these that are used.
    shift : ndarray (times, 2)
    good : ndarray (times,) of bool

    Attributes
    ----------
    layout : photometry.algorithms.scene_design.Layout
        Of the stars whose cores touch the window.
    kept : ndarray (templates,)
        Their numbers in the layout of the mean scene.
    stars : ndarray (stars of the mean scene,) of bool
        Which stars these are.
    flux : ndarray (templates,)
    inside : ndarray (templates,) of bool
        Whether a star of the template stands on the window.
    bright : ndarray (templates,) of bool
        Templates that `follow` chose.
    telling : ndarray of int
        Those inside of which errors of the PRF may show.
    sky : ndarray (6, rows, columns)
        Polynomials of the mean scene's sky.
    """

    def __init__(self, mean, stamp, window, shift, good):
        self.mean, self.stamp, self.prf, self.shift, self.good = mean, stamp, mean.prf, shift, good
        self.bright = self.telling = None
        row, column, reach = mean.row, mean.column, HALF + 1
        touching = self._whole(window.grown(reach, reach, reach, reach))
        number = mean.layout.number
        inside = np.zeros(number, dtype=bool)
        inside[mean.layout.template[_on(window, row, column)]] = True
        wide = inside & (np.arange(number) < mean.layout.wide)
        self.layout, self.kept = mean.layout.some(touching, row, wide)
        self.inside = inside[self.kept]
        self.stars = touching
        self.row, self.column, self.star_flux = row[touching], column[touching], mean.flux[touching]
        self.flux = self.layout.sums(self.star_flux)
        self.sky = design.sky_basis(mean.stamp.shape)[:, *stamp.slices(mean.stamp[::2])]
        self.wings = design.wings(self.prf, self.row, self.column, self.layout, stamp)
        self.still = self._still(wide)

    def _whole(self, stamp):
        """Stars on a stamp together with those they share a template with, (stars,) of bool."""
        mean = self.mean
        return np.isin(mean.layout.template, mean.layout.template[_on(stamp, mean.row, mean.column)])

    def _still(self, wide):
        """Light beyond all cores, with the sky, and its derivatives by the motion: (3, rows, columns)."""
        mean, stamp = self.mean, self.stamp
        part = stamp.slices(mean.stamp[::2])
        value = (mean.far + mean.sky_image())[part]
        value = value + np.tensordot(self.flux[:self.layout.wide], self.wings, 1)
        # Wide in the mean scene, but outside of these pixels: only their wings are seen.
        beyond = np.flatnonzero((mean.layout.template < mean.layout.wide) & ~wide[mean.layout.template])
        layout = design.Layout(np.arange(beyond.size), np.ones(beyond.size), beyond.size, beyond.size)
        value = value + np.tensordot(mean.flux[beyond], design.wings(
            self.prf, mean.row[beyond], mean.column[beyond], layout, stamp), 1)
        slopes = far_light.on_region(self.prf, mean.row, mean.column, mean.flux, stamp, planes=(1, 2))
        return np.concatenate([value[None], slopes])

    def bands(self, middle):
        """Cores of all templates at a shift, with derivatives up to second order.

        Where it is small, stars keep the pixels of the mean image.
        """
        about = (self.row, self.column) if np.abs(middle).max() < FAR else None
        return design.render_bands(self.prf, self.row + middle[0], self.column + middle[1], self.layout,
                                   self.stamp, 2, about=about)

    def moved(self, bands, frames, phi):
        """The mean scene in some frames, as a sum of images times coefficients.

        Bright stars, for which the second order does not suffice, are rendered at nodes of the
        motion; the others are expanded.

        Parameters
        ----------
        bands : list of photometry.algorithms.scene_design.Band
            Of `bands`, wings added.
        frames : ndarray of int
        phi : ndarray (6, frames)

        Returns
        -------
        images : ndarray (n, rows, columns)
        coefficients : ndarray (n, frames)
        """
        exact = is_near(*self.shift[frames].T).all() if frames.size else False
        flux = np.where(self.bright, 0.0, self.flux) if exact else self.flux
        images = np.stack([design.combined(bands, flux, self.stamp.shape, plane) for plane in range(6)])
        # Wings stand at the mean positions; what they move by is counted from there.
        images[0] += self.still[0] - np.tensordot(flux[:self.layout.wide], self.wings, 1)
        images = np.concatenate([images, self.still[1:]])
        coefficients = np.concatenate([phi, self.shift[frames].T])
        if exact and self.bright.any():
            images = np.concatenate([images, self.nodes])
            coefficients = np.concatenate([coefficients, self.weights[:, frames]])
        return images, coefficients

    @cached_property
    def grid(self):
        """Nodes over the motion."""
        return PointingGrid(*self.shift.T, self.good)

    @cached_property
    def weights(self):
        """Weights of the nodes in all frames, (nodes, times); of no use for frames far off."""
        return self.grid.follow(np.eye(self.grid.nodes[0].size), *self.shift.T)

    def follow(self, information):
        """Choose the templates whose motion is followed by nodes: those where the third order shows.

        Parameters
        ----------
        information : ndarray (templates,)
            Inverse variances of their fluxes in a frame.
        """
        near = np.abs(self.shift[np.isfinite(self.shift).all(axis=1)]).max(axis=1, initial=0)
        reach = near[near <= REACH].max(initial=0.01)
        signal = self.flux * np.sqrt(information)
        self.bright = signal * THIRD * reach ** 3 > UNSEEN
        self.telling = np.flatnonzero(self.inside & (signal > TELLING))

    @cached_property
    def nodes(self):
        """Cores of the bright templates at the nodes, (nodes, rows, columns)."""
        down, right = self.grid.nodes
        star = np.flatnonzero(self.bright[self.layout.template])
        row, column = (axis[star][:, None] + np.zeros(down.size) for axis in (self.row, self.column))
        values, row0, column0 = self.prf.render_at((row + down).ravel(), (column + right).ravel(), HALF,
                                                   about=(row.ravel(), column.ravel()))
        place, inside = design.core_pixels(row0, column0, self.stamp)
        size = self.stamp.height * self.stamp.width
        node = np.repeat(np.tile(np.arange(down.size), star.size), inside.sum(axis=(1, 2)))
        light = values * np.repeat(self.star_flux[star], down.size)[:, None, None]
        made = np.bincount(place + node * size, weights=light[inside], minlength=down.size * size)
        return made.reshape(down.size, *self.stamp.shape)


def _on(stamp, row, column):
    """Which positions lie on a stamp."""
    return ((row >= stamp.row_min - 0.5) & (row < stamp.row_max - 0.5)
            & (column >= stamp.col_min - 0.5) & (column < stamp.col_max - 0.5))
