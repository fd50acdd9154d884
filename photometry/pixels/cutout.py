"""The pixels of one stamp: everything that would change if the stamp did."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photometry.core.stamp import Stamp
from photometry.pixels.base import PixelSource

RUNS, RUN = 5, 8
"""Runs of cadences that tell the typical variance, and how many those hold: the sky changes
slowly, and neighbours in time are neighbours in memory, which is what a look costs."""

LEAST_FINITE = 0.9
"""Part of the good cadences in which a pixel must hold a number to be summed."""


@dataclass(frozen=True)
class Cutout:
    """Pixels of a source inside a stamp, read when first asked for.

    Another stamp is another Cutout; nothing in here is ever reset. Cubes have
    the shape (rows, columns, times), images (rows, columns).
    """

    source: PixelSource
    stamp: Stamp

    @cached_property
    def images_cube(self) -> np.ndarray:
        """Background-subtracted images, e-/s."""
        return self.source.read('images', self.stamp)

    @cached_property
    def images_err_cube(self) -> np.ndarray:
        """Their standard errors, e-/s."""
        return self.source.read('images_err', self.stamp)

    @cached_property
    def backgrounds_cube(self) -> np.ndarray:
        """Background that was subtracted, e-/s."""
        return self.source.read('backgrounds', self.stamp)

    @cached_property
    def pixelflags_cube(self) -> np.ndarray:
        """`~photometry.core.quality.PixelFlag` bits."""
        return self.source.read('pixel_flags', self.stamp)

    @cached_property
    def sumimage(self) -> np.ndarray:
        """Mean of the good images, e-/s."""
        return self.source.sumimage(self.stamp)

    @cached_property
    def variance(self) -> np.ndarray:
        """Typical variance of a pixel in one cadence, (e-/s)^2.

        The mean over good cadences, of some evenly chosen runs where there are many;
        infinite where none of them has an error.
        """
        some = _samples(np.flatnonzero(self.source.good))
        square = np.square(self.images_err_cube[..., some], dtype='float64')
        mean = square.mean(axis=-1) if some.size else np.full(self.stamp.shape, np.nan)
        if not np.isfinite(mean).all():
            mean = _mean_finite(square)
        return np.where(mean > 0, mean, np.inf)

    @cached_property
    def collected(self) -> np.ndarray:
        """Pixels that hold a number in nearly all good cadences."""
        if np.isfinite(self.images_cube.sum(axis=(0, 1)))[self.source.good].all():
            return np.isfinite(self.sumimage)
        good = self.images_cube[..., self.source.good]
        return np.isfinite(self.sumimage) & (np.isfinite(good).mean(axis=-1) > LEAST_FINITE)

    def light(self, mask) -> np.ndarray:
        """Images in the pixels of a mask, (pixels, times) float64, kept for the last mask asked for."""
        key = mask.tobytes()
        if self.__dict__.get('_light', (None,))[0] != key:
            self.__dict__['_light'] = key, self.images_cube[mask].astype('float64')
        return self.__dict__['_light'][1]

    def fills(self, mask) -> bool:
        """Whether all pixels of a mask hold a number in all good cadences."""
        return bool(np.isfinite(self.light(mask).sum(axis=0))[self.source.good].all())


def frames(cube):
    """Iterator over the images (rows, columns) of a cube (rows, columns, times)."""
    return (cube[..., frame] for frame in range(cube.shape[-1]))


def _samples(good):
    """Some of the numbers of good cadences, in runs."""
    if good.size <= RUNS * RUN:
        return good
    starts = np.linspace(0, good.size - RUN, RUNS).astype(int)
    return good[(starts[:, None] + np.arange(RUN)).ravel()]


def _mean_finite(cube):
    """Mean over time of what is finite; infinite where nothing is."""
    valid = np.isfinite(cube)
    number = valid.sum(axis=-1)
    total = np.where(valid, cube, 0).sum(axis=-1)
    return np.where(number > 0, total / np.maximum(number, 1), np.inf)
