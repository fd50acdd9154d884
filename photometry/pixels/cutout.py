"""The pixels of one stamp: everything that would change if the stamp did."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photometry.algorithms import apertures, runs
from photometry.core.stamp import Stamp
from photometry.pixels.base import PixelSource

LEAST_FINITE = 0.9
"""Part of the good cadences in which a pixel must hold a number to be summed."""


@dataclass(frozen=True)
class Cutout:
    """Pixels of a source inside a stamp, read when first asked for.

    Another stamp is another Cutout; nothing in here ever changes. Cubes have
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
    def backgrounds_err_cube(self) -> np.ndarray | None:
        """Its standard errors, common to the pixels of a cadence, e-/s; None where the source states none."""
        known = 'backgrounds_err' in self.source.extra_layers
        return self.source.read('backgrounds_err', self.stamp) if known else None

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

        As of `photometry.algorithms.runs.typical_variance`; a source that holds more pixels than
        these may know it already.
        """
        known = getattr(self.source, 'variance', None)
        return known(self.stamp) if known else runs.typical_variance(self.images_err_cube, self.source.good)

    @cached_property
    def collected(self) -> np.ndarray:
        """Pixels that hold a number in nearly all good cadences."""
        if np.isfinite(self.images_cube.sum(axis=(0, 1)))[self.source.good].all():
            return np.isfinite(self.sumimage)
        good = self.images_cube[..., self.source.good]
        return np.isfinite(self.sumimage) & (np.isfinite(good).mean(axis=-1) > LEAST_FINITE)

    def background_sum(self, weights) -> np.ndarray:
        """Weighted sum of the background over the stamp, (times,) float64.

        A source may know it without its pixels.
        """
        known = getattr(self.source, 'background_sum', None)
        if known is not None:
            return known(weights.astype('float64'), self.stamp)
        return apertures.sum_pixels(self.backgrounds_cube, weights)

    def release(self):
        """Forget the cubes; they are read again, the same, when asked for."""
        for name in ('images_cube', 'images_err_cube', 'backgrounds_cube', 'pixelflags_cube', '_light'):
            self.__dict__.pop(name, None)

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
