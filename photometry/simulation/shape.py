"""Stars that differ from the official responses: wider, narrower, with a one-sided tail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

TAIL = (1 / np.sqrt(2), 1 / np.sqrt(2))
"""Direction (row, column) in which light trails off."""

_NODES, _WEIGHTS = np.polynomial.laguerre.laggauss(4)


@dataclass(frozen=True)
class Shape:
    """How the true response of the pixels differs from the official one.

    The response is stretched about its centre and then smeared by an exponential
    tail whose mean is taken out, so that stars stay where they are.
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
        made = np.zeros((offset.size, offset.size))
        # Gauss-Laguerre nodes: the tail's moments up to the seventh are exact.
        nodes = zip(_NODES, _WEIGHTS, strict=True) if self.asymmetry else ((1.0, 1.0),)
        for node, weight in nodes:
            away = (node - 1) * self.asymmetry * oversample
            row, column = ((offset - away * part) / self.width + len(sample) // 2 for part in TAIL)
            made += weight * ndimage.map_coordinates(sample, np.meshgrid(row, column, indexing='ij'),
                                                     order=5, mode='nearest')
        return made * (sample.sum() / made[_inside(offset, self.width * (len(sample) // 2))].sum())


def _inside(offset, reach):
    """Samples of a square of a half width, as an index."""
    return np.ix_(np.abs(offset) <= reach, np.abs(offset) <= reach)
