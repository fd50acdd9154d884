"""The pixels of one stamp: everything that would change if the stamp did."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photometry.core.stamp import Stamp
from photometry.pixels.base import PixelSource

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

        The mean over good cadences; infinite where no error was ever given.
        """
        good = self.source.good
        err = self.images_err_cube[..., good] if not good.all() else self.images_err_cube
        square = np.einsum('rct,rct->rc', err, err, dtype='float64') / max(err.shape[-1], 1)
        if not np.isfinite(square).all():
            square = _mean_finite(err.astype('float64') ** 2)
        return np.where(square > 0, square, np.inf)

    @cached_property
    def collected(self) -> np.ndarray:
        """Pixels that hold a number in nearly all good cadences."""
        images = self.images_cube
        if np.isfinite(images.sum(axis=-1)).all():
            return np.isfinite(self.sumimage)
        good = images[..., self.source.good]
        return np.isfinite(self.sumimage) & (np.isfinite(good).mean(axis=-1) > LEAST_FINITE)


def _mean_finite(cube):
    """Mean over time of what is finite; infinite where nothing is."""
    valid = np.isfinite(cube)
    number = valid.sum(axis=-1)
    total = np.where(valid, cube, 0).sum(axis=-1)
    return np.where(number > 0, total / np.maximum(number, 1), np.inf)
