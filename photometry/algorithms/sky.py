"""Places on the sphere: moved by proper motion, inside or near outlines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.core.coordinates import from_vectors, local_axes, unit_vectors

_MAS = np.deg2rad(1 / 3.6e6)
FEW = 8
"""Outlines up to which directions are not sorted before they are looked at."""

_STEPS, _ROUND = 64, 0.01
"""Places along an edge whose declinations are looked at, and how far it may bulge between them, deg."""


def move(ra, dec, pm_ra, pm_decl, years):
    """Positions after a time of uniform motion in space.

    Rigorous on the sphere, also at the poles, without radial velocity and
    parallax (Hipparcos catalogue, vol. 1, eq. 1.2.20).

    Parameters
    ----------
    ra, dec : array, deg
    pm_ra, pm_decl : array, mas/yr
        The former with cos(dec); NaN counts as no motion.
    years : float or array
        Julian years.

    Returns
    -------
    ra, dec : arrays, deg
        Right ascension from 0 to 360.
    """
    place, (east, north) = unit_vectors(ra, dec), local_axes(ra, dec)
    along = [np.nan_to_num(np.asarray(motion, dtype='float64')) * _MAS * years for motion in (pm_ra, pm_decl)]
    return from_vectors(place + along[0][..., None] * east + along[1][..., None] * north)


@dataclass(frozen=True)
class Region:
    """The inside of outlines on the sky, with a rim around them.

    Parameters
    ----------
    polygons : tuple of array (points, 2)
        (ra, dec) in deg of the corners in order, joined by great circles; each
        within 80 deg of its middle.
    buffer : float
        Width of the rim, deg.
    """

    polygons: tuple
    buffer: float = 0.0

    def contains(self, ra, dec):
        """True for directions inside an outline or nearer to it than the buffer.

        Parameters
        ----------
        ra, dec : array (n,), deg

        Returns
        -------
        bool array (n,)
        """
        place = unit_vectors(np.atleast_1d(ra), np.atleast_1d(dec))
        inside = np.zeros(len(place), dtype=bool)
        # of many small outlines each has to do with a narrow zone of declination only
        order = np.argsort(place[:, 2]) if len(self.polygons) > FEW else np.arange(len(place))
        place = place[order]
        for polygon in self.polygons:
            corners = unit_vectors(*np.asarray(polygon, dtype='float64').T)
            zone = _zone(corners, place[:, 2], self.buffer) if len(self.polygons) > FEW else slice(None)
            inside[order[zone]] |= _near(corners, place[zone], self.buffer)
        return inside

    def declinations(self):
        """Lowest and highest declination that may lie in it, deg."""
        edges = [_edges(unit_vectors(*np.asarray(polygon, dtype='float64').T)) for polygon in self.polygons]
        heights = np.rad2deg(np.arcsin(np.clip(np.concatenate(edges)[:, 2], -1, 1)))
        south, north = self.contains([0.0, 0.0], [-90.0, 90.0])
        rim = self.buffer + _ROUND
        return (-90.0 if south else max(float(heights.min()) - rim, -90.0),
                90.0 if north else min(float(heights.max()) + rim, 90.0))


def _edges(corners):
    """Places along the great circles between the corners of an outline, (n, 3)."""
    part = np.linspace(0, 1, _STEPS, endpoint=False)[:, None, None]
    places = ((1 - part) * corners + part * np.roll(corners, -1, axis=0)).reshape(-1, 3)
    return places / np.linalg.norm(places, axis=1, keepdims=True)


def _zone(corners, height, buffer):
    """Where ascending heights (n,) lie so that directions may be near an outline: a slice."""
    centre = corners.mean(axis=0)
    centre /= np.linalg.norm(centre)
    radius = _angle(corners, centre).max() + np.deg2rad(buffer) + 1e-6
    middle, pole = np.arcsin(np.clip(centre[2], -1, 1)), np.pi / 2
    low, high = (np.sin(np.clip(middle + step, -pole, pole)) for step in (-radius, radius))
    return slice(np.searchsorted(height, low - 1e-12), np.searchsorted(height, high + 1e-12, side='right'))


def _near(corners, place, buffer):
    """Whether directions lie inside one outline or within ``buffer`` deg of it."""
    centre = corners.mean(axis=0)
    centre /= np.linalg.norm(centre)
    radius = _angle(corners, centre).max() + np.deg2rad(buffer)
    result = place @ centre >= np.cos(min(radius + 1e-6, np.pi))
    candidates = np.flatnonzero(result)
    chosen = place[candidates]
    found = _inside(corners, centre, chosen)
    outside = np.flatnonzero(~found)
    if buffer > 0 and outside.size:
        found[outside] = _distance(corners, chosen[outside]) <= np.deg2rad(buffer)
    result[candidates] = found
    return result


def _inside(corners, centre, place):
    """Even-odd rule in the tangent plane of the centre, where great circles are straight."""
    helper = np.eye(3)[np.argmin(abs(centre))]
    first = np.cross(centre, helper)
    first /= np.linalg.norm(first)
    axes = np.stack([first, np.cross(centre, first)])
    front = place @ centre > 0.01
    plane = place @ axes.T / np.where(front, place @ centre, 1.0)[:, None]
    outline = corners @ axes.T / (corners @ centre)[:, None]
    odd = np.zeros(len(place), dtype=bool)
    for (a, b), (c, d) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        if b != d:
            crosses = (b > plane[:, 1]) != (d > plane[:, 1])
            odd ^= crosses & (plane[:, 0] < a + (plane[:, 1] - b) * (c - a) / (d - b))
    return odd & front


def _distance(corners, place):
    """Angle in rad from directions to the nearest point of the outline."""
    least = np.full(len(place), np.pi)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        least = np.minimum(least, _angle(place, start))
        normal = np.cross(start, end)
        length = np.linalg.norm(normal)
        if length > 1e-12:
            normal /= length
            beside = (place @ np.cross(normal, start) > 0) & (place @ np.cross(end, normal) > 0)
            arc = np.arcsin(np.clip(abs(place @ normal), 0, 1))
            least = np.where(beside, np.minimum(least, arc), least)
    return least


def _angle(first, second):
    """Angle in rad between unit vectors (n, 3) and (3,), exact when small."""
    return 2 * np.arcsin(np.clip(np.linalg.norm(first - second, axis=-1) / 2, 0, 1))
