"""A fixed grid of cells over the sky, by which archives are asked for one piece at a time."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from photometry.algorithms.sky import Region
from photometry.core.coordinates import angular_distance

LARGE, SMALL = 2.0, 0.5
"""Heights of cells, deg: for CCDs, and for what is smaller than a few degrees."""

_SMALL_REGION = 3.0
"""deg of declination up to which a region is covered with small cells."""


@dataclass(frozen=True, order=True)
class Cell:
    """A piece of a zone of declination; a star lies in one cell of a grid and no other.

    All in deg; ``low`` and ``west`` belong to the cell, ``high`` and ``east`` to
    the next one, but the pole to the last.
    """

    low: float
    high: float
    west: float
    east: float

    def contains(self, ra, dec):
        """Which places lie in it; arrays in deg, right ascension from any turn."""
        ra, dec = np.asarray(ra, dtype='f8') % 360, np.asarray(dec, dtype='f8')
        with np.errstate(invalid='ignore'):
            below = dec <= self.high if self.high == 90 else dec < self.high
            return (dec >= self.low) & below & (ra >= self.west) & (ra < self.east)

    @property
    def centre(self) -> tuple[float, float]:
        """Right ascension and declination of its middle."""
        return (self.west + self.east) / 2, (self.low + self.high) / 2

    @property
    def radius(self) -> float:
        """Angle from the middle to the farthest corner, rounded up, deg."""
        ra, dec = self.centre
        corners = [angular_distance(ra, dec, self.west, end) for end in (self.low, self.high)]
        # The edge of a zone bulges towards the pole: its middle may be farther than the corners near a pole.
        middles = [abs(end - dec) for end in (self.low, self.high)]
        return ceil(max(corners + middles) * 1e4 + 1) / 1e4

    def quarters(self) -> tuple[Cell, ...]:
        """The four cells that it is made of."""
        ra, dec = self.centre
        return tuple(Cell(low, high, west, east) for low, high in ((self.low, dec), (dec, self.high))
                     for west, east in ((self.west, ra), (ra, self.east)))


def zone(low, height) -> list[Cell]:
    """The cells of a zone of declination from ``low`` on, none wider than high."""
    edges = _edges(low, height)
    return [_cell(low, height, edges, k) for k in range(edges.size - 1)]


def _edges(low, height):
    """Right ascensions between the cells of a zone, deg."""
    high = min(low + height, 90.0)
    widest = max(np.cos(np.deg2rad(low)), np.cos(np.deg2rad(high))) if low * high > 0 else 1.0
    number = max(1, ceil(360.0 * widest / height - 1e-9))
    return 360.0 * np.arange(number + 1) / number


def _cell(low, height, edges, k):
    return Cell(low, min(low + height, 90.0), float(edges[k]), float(edges[k + 1]))


def cells_of(region) -> list[Cell]:
    """Cells that together hold every place of a region, sorted.

    The grid is the same for every region of a kind, so that what was asked for one
    CCD serves its neighbour and the next sector.

    Parameters
    ----------
    region : photometry.algorithms.sky.Region

    Returns
    -------
    list of Cell
    """
    low, high = region.declinations()
    height = SMALL if high - low <= _SMALL_REGION else LARGE
    first, last = (int(np.floor((end + 90) / height)) for end in (low, min(high, 90 - 1e-9)))
    found = []
    for number in range(first, last + 1):
        edge = number * height - 90.0
        edges = _edges(edge, height)
        centre, radius = (edges[:-1] + edges[1:]) / 2, _cell(edge, height, edges, 0).radius
        near = Region(region.polygons, region.buffer + radius).contains(
            centre, np.full(centre.size, edge + height / 2))
        found += [_cell(edge, height, edges, k) for k in np.flatnonzero(near)]
    return sorted(found)
