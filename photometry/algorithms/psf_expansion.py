"""Points about which the images of a moving star are expanded, and the frames that share them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CELLS = 0.03, 0.2
"""Least and greatest distance of the points about which images are expanded, px."""

EXPANSION_ERROR = 4.0
"""Error of a place at half such a distance over the distance cubed, px^-2: measured for the
official PRFs, whose images are expanded to second order."""

MOST_POINTS = 250
"""Points of expansion at most: beyond that they lie farther apart."""


def cell_for(flux, templates, weights):
    """Distance of the points of expansion at which their error is a third of a place's noise, px.

    Parameters
    ----------
    flux : float
        e-/s.
    templates : ndarray (>= 3, pixels)
    weights : ndarray (pixels,)
        Inverse variances in a frame.
    """
    information = flux ** 2 * min((weights * slope) @ slope for slope in templates[1:3])
    noise = max(information, 1e-300) ** -0.5
    return float(np.clip((noise / 3 / EXPANSION_ERROR * 8) ** (1 / 3), *CELLS))


@dataclass(frozen=True)
class Expansion:
    """Points about which the images of groups of frames are expanded.

    ``points`` (2, groups), ``member`` (times,), ``templates`` (6, groups, pixels),
    ``columns`` (groups, nuisance, pixels).
    """

    points: np.ndarray
    member: np.ndarray
    templates: np.ndarray
    columns: np.ndarray

    @property
    def centre(self):
        """Point of every frame, (2, times)."""
        return self.points[:, self.member]

    def groups(self):
        """Number and frames of every group."""
        return enumerate(frames_of(self.member, self.points.shape[1]))


def groups_of(where, cell):
    """Points (2, groups) on a grid near places (2, times), and the group of every frame (times,)."""
    middle = where.mean(axis=1, keepdims=True)
    while True:
        steps = np.rint((where - middle) / cell).astype(int)
        key = (steps[0] - steps[0].min()) * (np.ptp(steps[1]) + 1) + steps[1] - steps[1].min()
        _, first, member = np.unique(key, return_index=True, return_inverse=True)
        if first.size <= MOST_POINTS:
            return cell * steps[:, first] + middle, member
        cell *= 1.3


def frames_of(member, groups):
    """Frames of every group, as slices where they follow each other: these need no copy."""
    for number in range(groups):
        index = np.flatnonzero(member == number)
        together = index[-1] - index[0] + 1 == index.size
        yield slice(int(index[0]), int(index[-1]) + 1) if together else index
