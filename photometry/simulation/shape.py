"""Stars that differ from the official responses: wider, narrower, with a one-sided tail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

TAIL = (1 / np.sqrt(2), 1 / np.sqrt(2))
"""Direction (row, column) in which light trails off."""

SLOW, FASTEST = 0.85, 0.97
"""Cycles a pixel from which on structure in the light is damped, and where none is left."""

LARGE, FADING = 41, (6.4, 12.0)
"""Pixels of the grid on which light is stretched; where responses fade out on it, px."""

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
        light, offset = sample, np.arange(-half, half + 1.)
        if self.width != 1:
            light = _through_pixels(_on_large(sample, oversample), oversample, invert=True)
            offset = np.arange(len(light)) - len(light) // 2.
        made = np.zeros((offset.size, offset.size))
        # Gauss-Laguerre nodes: the tail's moments up to the seventh are exact.
        nodes = zip(_NODES, _WEIGHTS, strict=True) if self.asymmetry else ((1.0, 1.0),)
        for node, weight in nodes:
            away = (node - 1) * self.asymmetry * oversample
            row, column = ((offset - away * part) / self.width + len(light) // 2 for part in TAIL)
            made += weight * ndimage.map_coordinates(light, np.meshgrid(row, column, indexing='ij'),
                                                     order=5, mode='nearest')
        if self.width != 1:
            middle = len(light) // 2
            made = _through_pixels(made, oversample)[middle - half:middle + half + 1,
                                                     middle - half:middle + half + 1]
            offset = np.arange(-half, half + 1.)
        return made * (sample.sum() / made[_inside(offset, self.width * (len(sample) // 2))].sum())


def _on_large(sample, oversample):
    """A response in the middle of a large grid on which it fades out, of a whole number of pixels."""
    side = LARGE * oversample
    low = side // 2 - len(sample) // 2
    made = np.pad(sample, (low, side - low - len(sample)), mode='edge')
    distance = np.abs(np.arange(side) - side // 2) / oversample
    fading = np.cos(np.clip((distance - FADING[0]) / (FADING[1] - FADING[0]), 0, 1) * np.pi / 2) ** 2
    return made * fading[:, None] * fading


def _through_pixels(image, oversample, invert=False):
    """What pixels of one unit respond to light on a fine grid, or the light behind a response.

    A stretched response would be that of stretched pixels, whose sum over all of them changes
    with the phase of a star. What varies faster than `FASTEST` is lost on the way back.
    """
    cycles = np.abs(np.fft.fftfreq(len(image), 1 / oversample))
    box, part = np.sinc(cycles), np.clip((cycles - SLOW) / (FASTEST - SLOW), 0, 1)
    factor = np.cos(part * np.pi / 2) ** 2 / np.where(part < 1, box, 1.0) if invert else box
    return np.fft.ifft2(np.fft.fft2(image) * factor[:, None] * factor).real


def _inside(offset, reach):
    """Samples of a square of a half width, as an index."""
    return np.ix_(np.abs(offset) <= reach, np.abs(offset) <= reach)
