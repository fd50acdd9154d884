"""The light of all stars of a region wherever the spacecraft points, as aperture sums need it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photometry.algorithms.pointing import PointingGrid, is_near
from photometry.algorithms.prf import CORE, HALF

BOX = CORE + 2
"""Rows and columns that hold the core of a star at any displacement of the grid, px."""

WIDE = 4e4
"""Flux of stars whose wings are followed through the motion, e-/s; those of others stand still."""


class Starlight:
    """What all stars put on a region, at the displacements of a `PointingGrid`.

    Made once a tile (`of_tile`) and shared by its stars.

    Parameters
    ----------
    tile : photometry.methods.tile.TileContext
    region : Stamp
    index : ndarray (stars,)
        Rows of the catalogue, ascending.
    """

    def __init__(self, tile, region, index):
        self.tile, self.region, self.index = tile, region, index
        self.row, self.column = (np.asarray(axis) for axis in tile.mean_positions(index))
        self.flux = tile.flux_of(index)
        self.prf = tile.source.prf
        self.grid = PointingGrid(*motion_at(tile), tile.source.pixels.good)
        self.row0, self.column0 = (np.floor(axis + 0.5).astype(int) - BOX // 2
                                   for axis in (self.row, self.column))

    @cached_property
    def cores(self):
        """Fraction of each star's light around it, (stars, nodes, 15 * 15) float32; no wings."""
        down, right = self.grid.nodes
        number, nodes = self.row.size, down.size
        values, row0, column0 = self.prf.render_at((self.row[:, None] + down).ravel(),
                                                   (self.column[:, None] + right).ravel(), HALF)
        made = np.zeros((number * nodes, BOX, BOX), dtype='float32')
        # The core follows the pixel nearest to the star, which changes where one stands between two.
        away = row0 - np.repeat(self.row0, nodes), column0 - np.repeat(self.column0, nodes)
        for i in range(BOX - CORE + 1):
            for j in range(BOX - CORE + 1):
                some = (away[0] == i) & (away[1] == j)
                made[some, i:i + CORE, j:j + CORE] = values[some]
        return made.reshape(number, nodes, BOX * BOX)

    @cached_property
    def scene(self):
        """Light of all stars at the nodes, (nodes, rows, columns), e-/s."""
        nodes = self.grid.nodes[0].size
        height, width = self.region.shape
        step = np.arange(BOX)
        rows = self.row0[:, None] - self.region.row_min + step
        columns = self.column0[:, None] - self.region.col_min + step
        inside = (((rows >= 0) & (rows < height))[:, :, None]
                  & ((columns >= 0) & (columns < width))[:, None, :]).reshape(-1)
        place = (rows[:, :, None] * width + columns[:, None, :]).reshape(-1)[inside]
        made = np.empty((nodes, height * width))
        for node in range(nodes):
            light = (self.cores[:, node] * self.flux[:, None]).reshape(-1)[inside]
            made[node] = np.bincount(place, weights=light, minlength=height * width)
        return made.reshape(nodes, height, width) + self._wings(nodes)

    def _wings(self, nodes):
        """Light of the wings, (nodes or 1, rows, columns)."""
        if self.prf.wing is None:
            return np.zeros((1, *self.region.shape))
        wide = self.flux > WIDE
        still = np.zeros((1, *self.region.shape))
        for star in np.flatnonzero(~wide):
            still += self.flux[star] * self._wing(self.row[star], self.column[star])
        if not wide.any():
            return still
        moved = np.repeat(still, nodes, axis=0)
        for node, (down, right) in enumerate(zip(*self.grid.nodes, strict=True)):
            for star in np.flatnonzero(wide):
                wing = self._wing(self.row[star] + down, self.column[star] + right)
                moved[node] += self.flux[star] * wing[0]
        return moved

    def _wing(self, row, column):
        rows = np.arange(self.region.row_min, self.region.row_max)[None]
        columns = np.arange(self.region.col_min, self.region.col_max)[None]
        return self.prf.wing.render(np.array([row]), np.array([column]), rows, columns)[0]

    @cached_property
    def mean(self):
        """Light of all stars in the mean image, (rows, columns)."""
        return np.tensordot(self.grid.mean, self.scene, 1)

    @cached_property
    def slopes(self):
        """Change of all light by the place of the stars, (2, rows, columns), e-/s a px."""
        return np.tensordot(self.grid.slopes, self.scene, 1)


def of_tile(tile):
    """The `Starlight` of a tile's region, made once."""
    made = tile.__dict__.get('_starlight')
    if made is None:
        made = tile.__dict__['_starlight'] = Starlight(tile, tile.region, tile.index)
    return made


def motion_at(tile):
    """(down, right) of the middle of a tile against its mean in the good frames, px: (times,) each."""
    cell, source = tile.cell, tile.source
    middle = (cell.row_min + cell.row_max - 1) / 2, (cell.col_min + cell.col_max - 1) / 2
    rows, columns = source.motion.positions(*middle)
    good = source.pixels.good
    return rows[0] - rows[0][good].mean(), columns[0] - columns[0][good].mean()


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
        whole = of_tile(tile)
        if stamp.clipped(tile.region) != stamp or photometry.catalog_index not in whole.index:
            whole = Starlight(tile, stamp, tile.stars_on(stamp))
        return cls(whole, int(np.searchsorted(whole.index, photometry.catalog_index)), stamp)

    @property
    def flux(self):
        """Flux of the star in the mean image, e-/s."""
        return float(self.whole.flux[self.star])

    @property
    def place(self):
        """(row, column) of the star in the mean image."""
        return float(self.whole.row[self.star]), float(self.whole.column[self.star])

    @cached_property
    def template(self):
        """Fraction of the star's light in each pixel of the mean image, (rows, columns)."""
        return self._on_stamp(self.whole.grid.mean @ self.whole.cores[self.star]) + self._wing

    @cached_property
    def others(self):
        """Light of all other stars in the mean image, (rows, columns), e-/s."""
        return self.whole.mean[self._part] - self.flux * self.template

    @property
    def slopes(self):
        """Change of all light by the place of the stars, two (rows, columns), e-/s a px."""
        return self.whole.slopes[:, *self._part]

    @property
    def _part(self):
        return self.stamp.slices(self.whole.region[::2])

    @property
    def _box(self):
        """Slices of the stamp and of the box around the star where they overlap."""
        pairs = []
        for first, low, high in ((self.whole.row0[self.star], self.stamp.row_min, self.stamp.row_max),
                                 (self.whole.column0[self.star], self.stamp.col_min, self.stamp.col_max)):
            start, end = max(first, low), max(min(first + BOX, high), max(first, low))
            pairs.append((slice(start - low, end - low), slice(start - first, end - first)))
        return tuple(zip(*pairs, strict=True))

    def _on_stamp(self, core):
        """A box (15 * 15) around the star laid on the stamp."""
        made = np.zeros(self.stamp.shape)
        there, here = self._box
        made[there] = core.reshape(BOX, BOX)[here]
        return made

    @cached_property
    def _wing(self):
        wing = self.whole.prf.wing
        if wing is None:
            return 0.0
        row, column = (np.array([axis]) for axis in self.place)
        return wing.render(row, column, np.arange(self.stamp.row_min, self.stamp.row_max)[None],
                           np.arange(self.stamp.col_min, self.stamp.col_max)[None])[0, 0]

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
        far = np.flatnonzero(~is_near(down, right))
        for frame in far:
            values[:, frame] = self._held_far(weights, down[frame], right[frame])
        return values[0], values[1]

    def _held_far(self, weights, down, right):
        """The same for one displacement beyond the grid."""
        whole = self.whole
        images = whole.prf.render(whole.row + down, whole.column + right, self.stamp)
        parts = np.tensordot(images, weights, 2)
        own = parts[self.star]
        return own, whole.flux @ parts - self.flux * own

    def parts(self, weights):
        """Light of each star of ``whole`` that a weighted sum holds in the mean image, e-/s: (stars,).

        Of wings only the star's own: what others shine from afar belongs to no single one.
        """
        whole = self.whole
        made = np.zeros(whole.flux.size)
        height, width = self.stamp.shape
        rows, columns = whole.row0 - self.stamp.row_min, whole.column0 - self.stamp.col_min
        near = np.flatnonzero((rows > -BOX) & (rows < height) & (columns > -BOX) & (columns < width))
        padded = np.zeros((height + 2 * BOX, width + 2 * BOX))
        padded[BOX:-BOX, BOX:-BOX] = weights
        step = np.arange(BOX)
        rows, columns = (axis[near, None] + BOX + step for axis in (rows, columns))
        boxes = padded[rows[:, :, None], columns[:, None, :]]
        cores = np.einsum('m,nmp->np', whole.grid.mean, whole.cores[near])
        made[near] = whole.flux[near] * np.einsum('np,np->n', cores, boxes.reshape(near.size, -1))
        made[self.star] += self.flux * float((weights * self._wing).sum())
        return made
