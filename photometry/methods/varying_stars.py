"""Series of the stars of a tile around their peaks, for those whose neighbours want to know if they vary."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import apertures, masks, varying
from photometry.algorithms.pointing import is_near
from photometry.core.stamp import Stamp
from photometry.methods import starlight
from photometry.methods.starlight import BOX

SIDE = 3
"""Rows and columns of the sums around peaks, px."""

MATTERS = 2.0
"""Light of a neighbour in the sum, over the noise of a cadence, from which its variations matter."""

STEADY_DOUBT, SLOPE_DOUBT = 3e-4, 0.02
"""What is foretold of the light of other stars errs by, as a part of it, and by that a pixel of motion: a
faint star in the core of a bright one is not seen to vary whenever the bright one's image is."""

MOST = 5
"""Varying neighbours that are followed, those that give most light."""


def of_tile(tile):
    """The `VaryingStars` of a tile, made once."""
    made = tile.__dict__.get('_varying_stars')
    if made is None:
        made = tile.__dict__['_varying_stars'] = VaryingStars(tile)
    return made


class VaryingStars:
    """Sums around the peaks of the stars of a tile, less what the mean scene foretells.

    Parameters
    ----------
    tile : photometry.methods.tile.TileContext
    """

    def __init__(self, tile):
        self.light, self.pixels = starlight.of_tile(tile), tile.pixels
        self.down, self.right = np.ascontiguousarray(tile.motion.T)
        info = tile.source.pixels.info
        self.gain = apertures.clipping_gain(info.n_readout, info.num_frm, info.crmiten)
        image = tile.pixels.sumimage(tile.region)
        self._usable = np.isfinite(image) & ~masks.bleeding(masks.saturated(image))
        self._near = is_near(self.down, self.right)
        shift = np.hypot(self.down, self.right)
        usual = np.sqrt(np.square(shift[self._near]).mean()) if self._near.any() else 0.0
        self._doubt = np.hypot(STEADY_DOUBT, SLOPE_DOUBT * np.hypot(shift, usual))
        self._made = {}

    def series(self, star):
        """(stamp, weights, residual, variance, varies) of a star of the scene; None off the pixels."""
        if star not in self._made:
            self._made[star] = self._measured(star)
        return self._made[star]

    def _measured(self, star):
        light = self.light
        row, column = light.row0[star] + BOX // 2, light.column0[star] + BOX // 2
        stamp = Stamp.around(row, column, SIDE, SIDE)
        if not stamp.lies_in(light.region):
            return None
        part = stamp.slices(light.region[::2])
        template = self._template(star, stamp)
        weights = np.where(self._usable[part], template, 0.0)
        if not weights.max() > 0:
            return None
        weights /= weights.max()
        used = weights > 0
        flat = weights[used]
        images, errors = (self.pixels.read(layer, stamp)[used].astype('float64')
                          for layer in ('images', 'images_err'))
        expected = light.grid.follow((light.scene[(slice(None), *part)] * weights).sum(axis=(1, 2))[None],
                                     self.down, self.right)[0]
        residual = flat @ images - np.where(self._near, expected, np.nan)
        others = expected - light.flux[star] * (weights * template).sum()
        variance = self.gain ** 2 * (flat ** 2 @ errors ** 2) + (others * self._doubt) ** 2
        return stamp, weights, residual, variance, varying.varies(residual, variance, self.pixels.good)

    def _template(self, star, stamp):
        """Fraction of a star's light in the mean image of a stamp, cores alone."""
        light = self.light
        core = light.mean_cores[star].reshape(BOX, BOX)
        made = np.zeros(stamp.shape)
        down, right = light.row0[star] - stamp.row_min, light.column0[star] - stamp.col_min
        rows = slice(max(down, 0), min(down + BOX, stamp.height))
        columns = slice(max(right, 0), min(right + BOX, stamp.width))
        if rows.start < rows.stop and columns.start < columns.stop:
            made[rows, columns] = core[rows.start - down:rows.stop - down,
                                       columns.start - right:columns.stop - right]
        return made

    def leak(self, star, parts, least):
        """Light of varying neighbours in a sum beyond their mean.

        Parameters
        ----------
        star : int
            The target's number in the scene.
        parts : ndarray (stars,)
            Light of each star in the sum in the mean image, e-/s.
        least : float
            Light from which on a neighbour matters, e-/s.

        Returns
        -------
        change, error : ndarray (times,), or None when no neighbour matters
        """
        matter = np.abs(parts) > least
        matter[star] = False
        if not matter.any():
            return None
        order = [other for other in np.flatnonzero(matter)[np.argsort(-np.abs(parts[matter]), kind='stable')]
                 if self.series(other) is not None and self.series(other)[4]][:MOST]
        if not order or self.series(star) is None:
            return None
        group = [star, *order]
        made = [self.series(other) for other in group]
        response = np.array([[(weights * self._template(other, stamp)).sum() for other in group]
                             for stamp, weights, *_ in made])
        change, error = varying.deviations(np.array([item[2] for item in made]),
                                           np.array([item[3] for item in made]), response, self.pixels.good)
        if change is None:
            return None
        share = parts[order] / self.light.flux[order]
        return share @ change[1:], np.sqrt(share ** 2 @ error[1:] ** 2)
