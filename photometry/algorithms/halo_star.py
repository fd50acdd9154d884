"""The image of one star while it moves, pixel by pixel and good to parts in a million."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.algorithms.prf import CORE, HALF
from photometry.core.stamp import Stamp

FAR = 0.45
"""Displacement from which a frame is rendered by itself, px."""

SAMPLES = 150
"""Frames that tell by how much the mean of the core departs from its expansion to second order."""


@dataclass(frozen=True)
class MovingStar:
    """A model of a star's image on a stamp, with the motion of the frames.

    In the core, images are rendered frame by frame: second derivatives are good to a
    part in a thousand only. Beyond, the wing is expanded to second order.

    Attributes
    ----------
    prf : photometry.algorithms.prf.PRF
    stamp : Stamp
    shift : ndarray (times, 2)
        Motion by rows and columns against the mean image, px.
    good : ndarray (times,) of bool
        Frames of the mean image.
    """

    prf: object
    stamp: Stamp
    shift: np.ndarray
    good: np.ndarray

    @property
    def _near(self):
        return (np.abs(self.shift) < FAR).all(axis=1)

    def mean(self, row, column):
        """Image of a star in the mean, with its slopes by row and column, (3, rows, columns)."""
        frames = np.flatnonzero(self.good & self._near)
        planes = np.stack(self.prf.render(row, column, self.stamp, derivatives=2))[:, 0]
        powers = _powers(self.shift)
        core, inside = self._core(row, column)
        if 0 not in core.shape and frames.size:
            some, spot = frames[::max(frames.size // SAMPLES, 1)], core.slices(self.stamp[::2])
            departure = (self._cores(row, column, some).mean(axis=0)[inside]
                         - np.tensordot(powers[:, some].mean(axis=1), planes[:, *spot], 1))
        planes[0] = np.tensordot(powers[:, frames].mean(axis=1), planes, 1)
        if 0 not in core.shape and frames.size:
            planes[0, *spot] += departure
        for frame in np.flatnonzero(self.good & ~self._near):
            # A running mean: such frames are few.
            planes[0] += (self._far(row, column, frame) - planes[0]) / self.good.sum()
        return planes[:3]

    def follow(self, row, column, groups):
        """Fraction of the light in groups of pixels in every frame.

        Parameters
        ----------
        row, column : float
        groups : photometry.algorithms.halo_pixels.Groups
            Those in the core are single pixels.

        Returns
        -------
        ndarray (groups, times) float32
        """
        planes = self.prf.render(row, column, self.stamp, derivatives=2)
        planes = np.stack([groups.sums(plane[0]) for plane in planes])
        made = planes.T.astype('float32') @ _powers(self.shift).astype('float32')
        core, inside = self._core(row, column)
        if 0 not in core.shape:
            number = np.full(self.stamp.shape, -1)
            number[groups.row[groups.first], groups.column[groups.first]] = np.arange(len(made))
            number = number[core.slices(self.stamp[::2])]
            cores = self._cores(row, column, self._near)[:, *inside][:, number >= 0]
            made[number[number >= 0][:, None], np.flatnonzero(self._near)] = cores.T
        for frame in np.flatnonzero(~self._near):
            made[:, frame] = groups.sums(self._far(row, column, frame))
        return made

    def _core(self, row, column):
        """The part of the stamp that lies in the core, and its slices in the core."""
        core = Stamp.around(np.floor(row + 0.5), np.floor(column + 0.5), CORE, CORE)
        part = core.clipped(self.stamp)
        return part, part.slices(core[::2])

    def _cores(self, row, column, frames):
        """Images of the core in some frames, (frames, 13, 13)."""
        down, right = self.shift[frames].T
        about = np.broadcast_to(row, down.shape), np.broadcast_to(column, down.shape)
        return self.prf.render_at(row + down, column + right, HALF, about=about)[0]

    def _far(self, row, column, frame):
        down, right = self.shift[frame]
        return self.prf.render(row + down, column + right, self.stamp)[0]


def _powers(shift):
    """1, r, c, r^2/2, rc, c^2/2 of shifts (times, 2): (6, times)."""
    row, column = shift.T
    return np.stack([np.ones_like(row), row, column, row ** 2 / 2, row * column, column ** 2 / 2])
