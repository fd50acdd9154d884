"""Stars that differ from the official responses: wider, narrower, with a one-sided tail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

TAIL = (1 / np.sqrt(2), 1 / np.sqrt(2))
"""Direction (row, column) in which light trails off."""

SLOW, FASTEST = 0.9, 0.98
"""Cycles a pixel from which on structure in the light is damped, and where none is left."""

_NODES, _WEIGHTS = np.polynomial.laguerre.laggauss(4)


@dataclass(frozen=True)
class Shape:
    """How the true response of the pixels differs from the official one.

    The light that falls on the pixels is stretched about its centre, the pixels are not;
    then it is smeared by an exponential tail whose mean is taken out, so that stars stay
    where they are.
    """

    width: float = 1.0
    """Factor of all lengths in the core."""
    asymmetry: float = 0.0
    """Length of the tail in px: second moment along TAIL grows by its square, the third by twice its cube."""

    @property
    def official(self) -> bool:
        """Whether nothing is changed."""
        return self.width == 1 and self.asymmetry == 0

    def applied(self, sample, half, oversample):
        """A response on a finer or wider grid.

        Parameters
        ----------
        sample : array (2 n + 1, 2 n + 1)
            Official response, the star in the middle.
        half : int
            Half width of the grid that is asked for, samples.
        oversample : int
            Samples a pixel.

        Returns
        -------
        array (2 half + 1, 2 half + 1)
            With the mean sum over pixels of the argument.
        """
        offset = np.arange(-half, half + 1.)
        if self.width != 1:
            response, sample = sample, _through_pixels(sample, oversample, invert=True)
            fine = response - _through_pixels(sample, oversample)
        made = np.zeros((offset.size, offset.size))
        # Gauss-Laguerre nodes: the tail's moments up to the seventh are exact.
        nodes = zip(_NODES, _WEIGHTS, strict=True) if self.asymmetry else ((1.0, 1.0),)
        for node, weight in nodes:
            away = (node - 1) * self.asymmetry * oversample
            row, column = ((offset - away * part) / self.width + len(sample) // 2 for part in TAIL)
            made += weight * ndimage.map_coordinates(sample, np.meshgrid(row, column, indexing='ij'),
                                                     order=5, mode='nearest')
        if self.width != 1:
            made = _through_pixels(made, oversample)
            low = half - len(fine) // 2
            made[low:low + len(fine), low:low + len(fine)] += fine * self.width ** 2
        return made * (sample.sum() / made[_inside(offset, self.width * (len(sample) // 2))].sum())


def _through_pixels(image, oversample, invert=False):
    """What pixels of one unit respond to an image on a finer grid, or the image behind a response.

    A stretched response would be that of stretched pixels, whose sum over all of them changes
    with the phase of a star. What varies faster than `FASTEST` is lost on the way back:
    1.5 % of the peak of the official responses, which stays as it is.
    """
    side = 2 * len(image)
    spectrum = np.fft.rfft2(np.pad(image, len(image) // 2, mode='edge'), (side, side))
    cycles = np.fft.fftfreq(side, 1 / oversample)[:, None], np.fft.rfftfreq(side, 1 / oversample)
    box = np.sinc(cycles[0]) * np.sinc(cycles[1])
    if invert:
        fast = np.clip((np.maximum(*np.abs(np.broadcast_arrays(*cycles))) - SLOW) / (FASTEST - SLOW), 0, 1)
        passed = np.cos(fast * np.pi / 2) ** 2
        box = np.where(passed > 0, passed / np.where(passed > 0, box, 1.0), 0.0)
    low = len(image) // 2
    return np.fft.irfft2(spectrum * box, (side, side))[low:low + len(image), low:low + len(image)]


def _inside(offset, reach):
    """Samples of a square of a half width, as an index."""
    return np.ix_(np.abs(offset) <= reach, np.abs(offset) <= reach)
