"""Images that a scene is fitted to, with weights that serve all frames."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from photometry.algorithms import runs
from photometry.algorithms.trails import Trails

RUNS, RUN = 4, 8
"""Runs of successive frames from which typical errors and the reduced chi square are taken."""

GONE = 0.5
"""Part of these frames without a number from which a pixel is not used at all."""


class Pixels:
    """Images with errors and their weights.

    Parameters
    ----------
    images, errors : float32 ndarray (rows, columns, times)
    variance : ndarray (rows, columns)
        Infinite for pixels not to be used.
    good : ndarray (times,) of bool
    shift : ndarray (times, 2)
    trails : photometry.algorithms.trails.Trails, optional
        Pixels of which the sums are used.

    Attributes
    ----------
    variance, weight : ndarray (rows, columns)
        Typical variance of a frame, infinite where not used, and its inverse.
    trail_variance, trail_weight : ndarray (trails,)
        The same of the trails.
    sample : ndarray of int
        Some frames that stand for all.
    """

    def __init__(self, images, errors, variance, good, shift, trails=None):
        self.images, self.errors = images, errors
        self.times = len(shift)
        known = np.isfinite(shift).all(axis=1)
        some = np.flatnonzero(good & known) if (good & known).any() else np.flatnonzero(known)
        starts = np.linspace(0, max(some.size - RUN, 0), RUNS).astype(int)
        self.sample = some[np.unique(np.clip(starts[:, None] + np.arange(RUN), 0, some.size - 1))
                           if some.size else slice(0)]
        images, square = self._sampled
        valid = np.isfinite(square) & np.isfinite(images)
        number = valid.sum(axis=-1)
        typical = np.where(valid, square, 0.0).sum(axis=-1, dtype='float64') / np.maximum(number, 1)
        told = (typical > 0) & (number > GONE * self.sample.size)
        used = np.isfinite(variance) & told
        self.variance = np.where(used, typical, np.inf)
        self.weight = np.where(used, 1 / np.where(used, typical, 1.0), 0.0)
        self.trails = trails or Trails.none()
        self.trail_variance = self.trails.sums(np.where(told, typical, np.inf))
        self.trail_weight = 1 / self.trail_variance

    def doubt(self, error):
        """Weigh pixels less by an error of the model (rows, columns), e-/s."""
        self.weight = np.where(self.weight > 0, 1 / (1 / np.maximum(self.weight, 1e-300) + error ** 2), 0.0)

    @cached_property
    def _sampled(self):
        """Images and squared errors of the sampled frames, (rows, columns, frames) each."""
        return runs.taken(self.images, self.sample), runs.taken(self.errors, self.sample) ** 2

    def sampled(self, rows, chosen):
        """Images and squared errors of some rows in some of the sampled frames, (pixels, frames) each.

        Parameters
        ----------
        rows : slice
        chosen : ndarray (frames of the sample,) of bool
        """
        found = (values[rows].reshape(-1, chosen.size) for values in self._sampled)
        return found if chosen.all() else (values[:, chosen] for values in found)

    @cached_property
    def lost(self):
        """Frames without a number in any pixel, (times,) of bool."""
        lost = ~np.isfinite(self.images[0, 0])  # few frames are left in doubt after one pixel
        for row in self.images:
            if not lost.any():
                break
            lost[lost] = ~np.isfinite(row[:, lost]).any(axis=0)
        return lost

    @property
    def weights(self):
        """Of all pixels along the rows, then of the trails."""
        return np.concatenate([self.weight.ravel(), self.trail_weight])

    def of_trails(self, frames):
        """Sums over the trails and their squared errors, (trails, frames) each."""
        row, column = self.trails.row[:, None], self.trails.column[:, None]
        images, errors = (values[row, column, frames] for values in (self.images, self.errors))
        return self.trails.added(images), self.trails.added(np.square(errors, dtype='f8'))

    def band(self, rows, frames, space=None):
        """Images and squared errors of some rows, (pixels, frames) each, float32.

        Parameters
        ----------
        rows : slice
        frames : ndarray of int
        space : ndarray (2, pixels, frames), optional
            Memory to use.
        """
        images, errors = self.images[rows], self.errors[rows]
        if frames.size < self.times:
            images, errors = images[..., frames], errors[..., frames]
        size = images.shape[0] * images.shape[1]
        if space is None:
            space = np.empty((2, size, frames.size), dtype='float32')
        square = space[1, :size].reshape(images.shape)
        np.multiply(errors, errors, out=square)
        if not images.flags.c_contiguous:
            images = _copied(images, space[0, :size].reshape(images.shape))
        return images.reshape(size, -1), square.reshape(size, -1)


def _copied(values, space):
    np.copyto(space, values)
    return space
