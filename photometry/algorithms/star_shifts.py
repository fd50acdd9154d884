"""Shift of single stars from frame to frame, from linear fits of their images' derivatives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from photometry.core.stamp import Stamp

SPACING = 0.1
"""Greatest distance between the places about which images are expanded, px along an axis."""

MODEL_ERROR = 0.003
"""Fraction of a pixel's light by which the PRF may be wrong."""

WING_ERROR = 2e-4
"""Fraction of a star's whole light that may lie in a pixel without being in the PRF."""

FARTHEST = 3.0
"""Shift from the mean beyond which no expansion is made, px."""


class Shifts(NamedTuple):
    """Rows and columns of stars against their reference places, and errors: (n, 2, times), px."""

    value: np.ndarray
    error: np.ndarray

    def of(self, stars):
        """The shifts of some of the stars."""
        return Shifts(self.value[stars], self.error[stars])


def measure(stamps, errors, corners, scenes, prf, good, rounds=2) -> Shifts:
    """Shifts of stars against their reference places.

    Images are expanded about the nodes of a grid laid over the common motion. A frame
    lies between four nodes, whose answers are blended bilinearly: where an error of the PRF
    makes each answer wrong in proportion to the way from its node, the blend is right.

    Parameters
    ----------
    stamps, errors : arrays (n, height, width, times)
    corners : int array (n, 2)
        First row and column of each stamp.
    scenes : list of (places (k, 2), light (k,))
        The star itself and its neighbours, which move with it: reference
        places and light relative to the star's.
    prf : photometry.algorithms.prf.PRF
    good : bool array (times,)
    rounds : int
        How often the nodes are laid anew where the stars were found.

    Returns
    -------
    Shifts
        NaN for stars of no use.
    """
    stars = [_Star(stamps[i], errors[i], corners[i], *scenes[i], prf, good) for i in range(len(stamps))]
    usable = [i for i, star in enumerate(stars) if star.usable]
    value, error = np.full((2, len(stars), 2, len(good)), np.nan)
    common = np.zeros((2, len(good)))
    for _ in range(1 + rounds):
        nodes = _nodes(common)
        for i in usable:
            value[i], error[i] = stars[i].shifts(nodes)
        before, common = common, _common(value[usable], good)
        if not usable or np.abs(common - before).max() < 0.02:
            break
    return Shifts(value, error)


def _common(value, good):
    """Shift of all stars against their means, (2, times); zero where nothing is known."""
    chosen = good & np.isfinite(value).any(axis=(0, 1))
    whole = np.isfinite(value[:, :, chosen]).any(axis=(1, 2))
    if not whole.any():
        return np.zeros(value.shape[1:])
    relative = value[whole] - np.nanmedian(value[whole][:, :, chosen], axis=2)[:, :, None]
    empty = ~(np.isfinite(relative).any(axis=0) & chosen)
    common = np.nanmedian(np.where(empty, 0.0, relative), axis=0)
    return np.clip(common, -FARTHEST, FARTHEST)


def _nodes(common):
    """Places of expansion with what each frame takes of them: list of (shift (2,), frames, share)."""
    axes = [_axis(shift) for shift in common]
    cells = [_cells(axis, shift) for axis, shift in zip(axes, common, strict=True)]
    shares = []
    for axis, (cell, part) in zip(axes, cells, strict=True):
        share = np.zeros((len(axis), part.size))
        frames = np.arange(part.size)
        share[cell, frames] = 1 - part
        if len(axis) > 1:
            share[cell + 1, frames] = part
        shares.append(share)
    nodes = []
    for i, down in enumerate(axes[0]):
        for j, right in enumerate(axes[1]):
            share = shares[0][i] * shares[1][j]
            frames = np.flatnonzero(share)
            if frames.size:
                nodes.append((np.array([down, right]), frames, share[frames]))
    return nodes


def _axis(shift):
    """Nodes along one axis."""
    low, high = shift.min(initial=0), shift.max(initial=0)
    if high - low < 1e-3:
        return np.array([(low + high) / 2])
    return np.linspace(low, high, int(np.ceil((high - low) / SPACING)) + 1)


def _cells(axis, shift):
    """Node before each shift and the way to the next one, 0 to 1."""
    if len(axis) == 1:
        return np.zeros(shift.size, dtype=int), np.zeros(shift.size)
    along = (shift - axis[0]) / (axis[1] - axis[0])
    cell = np.clip(along.astype(int), 0, len(axis) - 2)
    return cell, np.clip(along - cell, 0, 1)


def _slopes(height, width):
    """A level and two slopes, (3, pixels): what is left of the sky and of far wings."""
    down, right = (np.linspace(-1, 1, length) if length > 1 else np.zeros(1) for length in (height, width))
    return np.stack([np.ones(height * width), np.repeat(down, width), np.tile(right, height)])


class _Star:
    """One star's pixels, ready for fits about any place."""

    def __init__(self, pixels, errors, corner, places, relative, prf, good):
        self.prf, self.places, self.relative = prf, np.asarray(places, dtype='f8'), np.asarray(relative)
        height, width, times = pixels.shape
        self.stamp = Stamp(corner[0], corner[0] + height, corner[1], corner[1] + width)
        flat = pixels.reshape(-1, times)
        alive = np.isfinite(flat)
        chosen = good if good.any() else np.ones(times, dtype=bool)
        # pixels that are missing in some good frames are missing in all; frames without the rest give none
        whole = alive[:, chosen & (alive.mean(axis=0) > 0.5)]
        self.pixels = whole.all(axis=1) & (whole.shape[1] > 0)
        self.data = flat[self.pixels].astype('f8')
        variance = errors.reshape(-1, times)[self.pixels][:, chosen].astype('f8') ** 2
        known = np.isfinite(variance) & (variance > 0)
        mean = np.where(known, variance, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        self.variance = mean.clip(1e-12)
        self.slopes = _slopes(height, width)[:, self.pixels]
        distance = np.hypot(*(self.places - self.places[0]).T)
        self.floor = WING_ERROR * (self.relative / np.maximum(distance / 3, 1) ** 2).sum()
        self.usable = len(self.data) >= 12
        if self.usable:
            frames = chosen & np.isfinite(self.data).all(axis=0)
            self._centre(self.data[:, frames].mean(axis=1))

    def _centre(self, mean, rounds=8):
        """Find the star's mean place and light; one that is not seen or wanders off is of no use."""
        self.middle, self.light, self.usable = np.zeros(2), 0.0, False
        for _ in range(rounds):
            (about,) = self._expansions(np.zeros((1, 2)))
            solution = about.operator @ mean
            self.light = solution[1]
            if not self.light > 5 * np.sqrt(about.covariance[1, 1]):
                return
            step = np.clip(solution[2:4] / self.light, -0.3, 0.3)
            self.middle = self.middle + step
            if np.abs(self.middle).max() > 1.5:
                return
            self.usable = bool(np.abs(step).max() < 1e-2)
            if np.abs(step).max() < 1e-3:
                return

    def _expansions(self, shifts):
        """Fits about places beside the mean one, for ``shifts`` (nodes, 2): list of `_Expansion`."""
        places = self.middle + shifts[:, None] + self.places
        images = self.prf.render(*places.reshape(-1, 2).T, self.stamp, derivatives=2)
        images = np.stack(images).reshape(6, len(shifts), len(self.places), -1)[..., self.pixels]
        value, down, right, *second = np.einsum('k,dmkp->dmp', self.relative, images)
        level, *slopes = np.broadcast_to(self.slopes[:, None], (3, *value.shape))
        design = np.stack([level, value, down, right, *slopes], axis=2)
        doubt = self.light * np.hypot(MODEL_ERROR * value, self.floor)
        weighted = (design / (self.variance + doubt**2)[..., None]).transpose(0, 2, 1)
        operator = np.linalg.pinv(weighted @ design, hermitian=True) @ weighted
        covariance = (operator * self.variance) @ operator.transpose(0, 2, 1)
        bend = operator[:, 2:4] @ np.stack([second[0] / 2, second[1], second[2] / 2], axis=2)
        return [_Expansion(*parts) for parts in zip(operator, covariance, bend, strict=True)]

    def shifts(self, nodes):
        """Shifts (2, times) from the reference place, blended from nodes as of `_nodes`, and errors."""
        value, error = np.zeros((2, 2, self.data.shape[1]))
        fits = self._expansions(np.stack([shift for shift, _, _ in nodes]))
        for (shift, frames, share), about in zip(nodes, fits, strict=True):
            found, doubt = self._about(about, self.data[:, frames])
            value[:, frames] += share * (found + shift[:, None])
            error[:, frames] += share * doubt
        return value + self.middle[:, None], error

    def _about(self, about, data):
        """Shifts (2, frames) from the place of an expansion, and errors."""
        first = about.operator @ data
        light = first[1]
        # a faint star's light is better known from all frames than from one
        if self.light**2 < 900 * about.covariance[1, 1]:
            light = np.full_like(light, self.light)
        seen = np.isfinite(light) & (light > 0.2 * self.light)
        light = np.where(seen, light, np.nan)
        linear = first[2:4] / light
        found = linear
        for _ in range(2):
            small = np.clip(found, -SPACING, SPACING)
            found = linear - about.bend @ np.stack([small[0] ** 2, small[0] * small[1], small[1] ** 2])
        return found, np.sqrt(np.diag(about.covariance)[2:4, None]) / light


class _Expansion(NamedTuple):
    """Fit of a star's image about a place: level, light, two moments of the light, two slopes."""

    operator: np.ndarray
    """(6, pixels)"""
    covariance: np.ndarray
    bend: np.ndarray
    """(2, 3): what row row, row column and column column of a shift add to the moments, over the light."""
