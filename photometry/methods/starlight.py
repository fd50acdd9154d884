"""The light of all stars of a region wherever the spacecraft points, as aperture sums need it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photometry.algorithms import far_light
from photometry.algorithms.pointing import PointingGrid, is_near
from photometry.algorithms.prf import CORE, HALF

BOX = CORE
"""Rows and columns around the pixel nearest to a star that hold its core, px."""


class Starlight:
    """What all stars put on a region, at the displacements of a `PointingGrid`.

    Made once a tile (`of_tile`) and shared by its stars.

    Parameters
    ----------
    prf : photometry.algorithms.prf.PRF
    grid : PointingGrid
    region : Stamp
    row, column, flux : ndarray (stars,)
        Of all stars that shine on the region, in the mean image; CCD positions, e-/s.
    sky : ndarray (rows, columns)
        Sky that the background model left in the mean image, e-/s.
    """

    def __init__(self, prf, grid, region, row, column, flux, sky):
        self.prf, self.grid, self.region, self.sky = prf, grid, region, sky
        self.row, self.column, self.flux = row, column, flux
        self.row0, self.column0 = (np.floor(axis + 0.5).astype(int) - BOX // 2 for axis in (row, column))

    @cached_property
    def cores(self):
        """Fraction of each star's light around it, (stars, nodes, 13 * 13) float32; no wings."""
        down, right = self.grid.nodes
        about = np.repeat(self.row, down.size), np.repeat(self.column, down.size)
        values, *_ = self.prf.render_at(about[0] + np.tile(down, self.row.size),
                                        about[1] + np.tile(right, self.row.size), HALF, about=about,
                                        dtype='float32')
        return values.reshape(self.row.size, down.size, BOX * BOX)

    @cached_property
    def scene(self):
        """Light of stars and sky at the nodes, (nodes, rows, columns), e-/s."""
        made = self._wings()
        made += self.sky
        light = self.cores.reshape(*self.cores.shape[:2], BOX, BOX) * self.flux[:, None, None, None]
        for core, row, column in zip(light, self.row0 - self.region.row_min,
                                     self.column0 - self.region.col_min, strict=True):
            (rows, down), (columns, right) = (_shared(first, 0, size) for first, size
                                              in zip((row, column), self.region.shape, strict=True))
            made[:, rows, columns] += core[:, down, right]
        return made

    def _wings(self):
        """Light beyond the cores, (nodes, rows, columns); it follows the motion to first order."""
        down, right = self.grid.nodes
        light = far_light.on_region(self.prf, self.row, self.column, self.flux, self.region, (0, 1, 2))
        return np.tensordot(np.stack([np.ones_like(down), down, right], axis=1), light, 1)

    @cached_property
    def mean_cores(self):
        """Cores of the stars in the mean image, (stars, 13 * 13)."""
        return np.einsum('m,nmp->np', self.grid.mean, self.cores)

    def on_stamps(self, stars, rows, columns):
        """Fraction of the light of some stars in the pixels of stamps, in the mean image.

        Parameters
        ----------
        stars : ndarray (n,) of int
        rows, columns : ndarray (n, height) and (n, width) of int
            Of the stamps on the CCD.

        Returns
        -------
        all light, that beyond the cores : ndarray (n, height, width)
        """
        down, right = rows - self.row0[stars, None], columns - self.column0[stars, None]
        inside = (((down >= 0) & (down < BOX))[:, :, None] & ((right >= 0) & (right < BOX))[:, None, :])
        place = np.where(inside, down[:, :, None] * BOX + right[:, None, :], 0)
        core = np.where(inside, self.mean_cores[stars[:, None, None], place], 0.0)
        wing = self.prf.wing
        if wing is None:
            return core, np.zeros(core.shape)
        down, right = rows - self.row[stars, None], columns - self.column[stars, None]
        square = np.maximum(np.square(down)[:, :, None] + np.square(right)[:, None, :], 1.0)
        light = wing.amplitude * square ** (-wing.exponent / 2)
        light[inside | (square > wing.radius ** 2)] = 0.0
        return core + light, light

    @cached_property
    def mean(self):
        """Light of all stars in the mean image, (rows, columns)."""
        return np.tensordot(self.grid.mean, self.scene, 1)

    @cached_property
    def slopes(self):
        """Change of all light by the place of the stars, (2, rows, columns), e-/s a px."""
        return np.tensordot(self.grid.slopes, self.scene, 1)


def _shared(first, low, high):
    """Where a box from a first pixel on overlaps pixels from low to high: slices of these and of the box."""
    start, end = max(first, low), max(min(first + BOX, high), max(first, low))
    return slice(start - low, end - low), slice(start - first, end - first)


def of_tile(tile):
    """The `Starlight` of a tile's region, made once."""
    made = tile.__dict__.get('_starlight')
    if made is None:
        mean = tile.mean
        made = Starlight(tile.source.prf, _grid(tile), tile.region, mean.row, mean.column, mean.flux,
                         mean.sky_image())
        tile.__dict__['_starlight'] = made
    return made


def _grid(tile):
    return PointingGrid(*tile.motion.T, tile.source.pixels.good)


def _beyond(tile, stamp, catalog_index):
    """`Starlight` of a stamp that the tile's region does not hold, and the number of a star in it."""
    index = tile.stars_on(stamp)
    made = Starlight(tile.source.prf, _grid(tile), stamp, *tile.mean_positions(index), tile.flux_of(index),
                     np.zeros(stamp.shape))
    return made, int(np.searchsorted(index, catalog_index))


@dataclass(frozen=True)
class StampLight:
    """Light of a star and of all others on its stamp.

    Attributes
    ----------
    whole : Starlight
    star : int
        Number of the star in it.
    stamp : Stamp
    """

    whole: Starlight
    star: int
    stamp: object

    @classmethod
    def of(cls, photometry):
        """That of a photometry with its present stamp."""
        tile, stamp = photometry.tile, photometry.stamp
        star = tile.place_of(photometry.catalog_index)
        if star is None or not stamp.lies_in(tile.region):
            return cls(*_beyond(tile, stamp, photometry.catalog_index), stamp)
        return cls(of_tile(tile), star, stamp)

    @classmethod
    def ready(cls, whole, star, stamp, template, wing):
        """One whose template and wing are known."""
        made = cls(whole, star, stamp)
        made.__dict__['_images'] = template, wing
        return made

    @property
    def flux(self):
        """Flux of the star in the mean image, e-/s."""
        return float(self.whole.flux[self.star])

    @property
    def place(self):
        """(row, column) of the star in the mean image."""
        return float(self.whole.row[self.star]), float(self.whole.column[self.star])

    @cached_property
    def _images(self):
        """`template` and `_wing`."""
        rows, columns = np.arange(*self.stamp[:2]), np.arange(*self.stamp[2:])
        template, wing = self.whole.on_stamps(np.array([self.star]), rows[None], columns[None])
        return template[0], wing[0]

    @property
    def template(self):
        """Fraction of the star's light in each pixel of the mean image, (rows, columns)."""
        return self._images[0]

    @property
    def _wing(self):
        """Fraction of the star's light beyond its core, (rows, columns)."""
        return self._images[1]

    @cached_property
    def others(self):
        """Light of all other stars and of the sky in the mean image, (rows, columns), e-/s."""
        return self.whole.mean[self._part] - self.flux * self.template

    @property
    def neighbours(self):
        """The same without the sky."""
        return self.others - self.whole.sky[self._part]

    @property
    def slopes(self):
        """Change of all light by the place of the stars, two (rows, columns), e-/s a px."""
        return self.whole.slopes[:, *self._part]

    @property
    def _part(self):
        return self.stamp.slices(self.whole.region[::2])

    @cached_property
    def _box(self):
        """Slices of the stamp and of the box around the star where they overlap."""
        whole, stamp = self.whole, self.stamp
        pairs = (_shared(whole.row0[self.star], stamp.row_min, stamp.row_max),
                 _shared(whole.column0[self.star], stamp.col_min, stamp.col_max))
        return tuple(zip(*pairs, strict=True))

    def held(self, weights, down, right):
        """What a weighted sum holds in every frame while all stars move together.

        Parameters
        ----------
        weights : ndarray (rows, columns)
        down, right : ndarray (times,)
            Displacement of the star from its mean place, px.

        Returns
        -------
        own : ndarray (times,)
            Fraction of the star's light.
        others : ndarray (times,)
            Light of the others, e-/s.
        """
        there, here = self._box
        box = np.zeros((BOX, BOX))
        box[here] = weights[there]
        still = float((weights * self._wing).sum())
        own = self.whole.cores[self.star] @ box.ravel() + still
        mask = weights != 0
        rows, columns = np.nonzero(mask)
        scene = self.whole.scene[:, rows + self._part[0].start, columns + self._part[1].start]
        every = scene @ weights[mask]
        values = self.whole.grid.follow(np.stack([own, every - self.flux * own]), down, right)
        for frame in np.flatnonzero(~is_near(down, right)):
            values[:, frame] = self._held_far(weights, down[frame], right[frame])
        return values[0], values[1]

    def _held_far(self, weights, down, right):
        """The same for one displacement beyond the grid."""
        whole = self.whole
        images = whole.prf.render(whole.row + down, whole.column + right, self.stamp)
        parts = np.tensordot(images, weights, 2)
        own = parts[self.star]
        return own, whole.flux @ parts - self.flux * own + float((weights * whole.sky[self._part]).sum())

    def parts(self, weights, least=0.0):
        """Light of each star of ``whole`` that a weighted sum holds in the mean image, e-/s: (..., stars).

        Of wings only the star's own: what others shine from afar belongs to no single one.

        Parameters
        ----------
        weights : ndarray (..., rows, columns)
            At most 1; those of one sum, or of several.
        least : float
            Light below which that of another star may be left out.
        """
        whole = self.whole
        several, (height, width) = weights.shape[:-2], self.stamp.shape
        made = np.zeros((*several, whole.flux.size))
        rows, columns = whole.row0 - self.stamp.row_min, whole.column0 - self.stamp.col_min
        bright = np.abs(whole.flux) > 0.9 * least
        bright[self.star] = True
        any_lit = weights.any(axis=tuple(range(len(several))))
        lit = [np.flatnonzero(any_lit.any(axis=axis)) for axis in (1, 0)]
        if not lit[0].size:
            return made
        for first, on in zip((rows, columns), lit, strict=True):
            bright &= (first > on[0] - BOX) & (first <= on[-1])
        near = np.flatnonzero(bright)
        padded = np.zeros((*several, height + 2 * BOX, width + 2 * BOX))
        padded[..., BOX:-BOX, BOX:-BOX] = weights
        step = np.arange(BOX)
        rows, columns = (axis[near, None] + BOX + step for axis in (rows, columns))
        boxes = padded[..., rows[:, :, None], columns[:, None, :]].reshape(*several, near.size, -1)
        made[..., near] = whole.flux[near] * np.einsum('np,...np->...n', whole.mean_cores[near], boxes)
        made[..., self.star] += self.flux * (weights * self._wing).sum(axis=(-2, -1))
        return made
