"""Pixels that are missing in single frames, taken out of the equations of these frames exactly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MOST = 60
"""Missing pixels of a frame up to which its inverse is corrected, not computed anew."""


class Missing(NamedTuple):
    """Missing pixels, counted along the rows, and their frames, sorted by frame."""

    pixel: np.ndarray
    frame: np.ndarray


def find(images, errors, gappy, good, limit):
    """Pixels that are never used, and the gaps of the others.

    Parameters
    ----------
    images, errors : ndarray (rows, columns, times)
    gappy : ndarray (n, 2) of int
        Rows and columns of the pixels with gaps.
    good : ndarray (times,) of bool
    limit : float
        Part of the good frames without a number from which a pixel is not used.

    Returns
    -------
    dead : ndarray (rows, columns) of bool
    missing : Missing
    """
    dead = np.zeros(images.shape[:2], dtype=bool)
    pixels, frames = [np.zeros(0, dtype=int)], [np.zeros(0, dtype=int)]
    counted = good if good.any() else np.ones(images.shape[2], dtype=bool)
    for row, column in gappy:
        gone = ~(np.isfinite(images[row, column]) & np.isfinite(errors[row, column]))
        if gone[counted].mean() > limit:
            dead[row, column] = True
        else:
            frames.append(np.flatnonzero(gone))
            pixels.append(np.full(frames[-1].size, row * images.shape[1] + column))
    pixel, frame = np.concatenate(pixels), np.concatenate(frames)
    order = np.argsort(frame, kind='stable')
    return dead, Missing(pixel[order], frame[order])


class _Gap(NamedTuple):
    """What is taken from the equations of one frame; n missing pixels."""

    number: int
    pull: np.ndarray
    """(free, n) weighted values of the middle: rows of the test functions."""
    moved: np.ndarray
    """(free, n) values of the frame."""
    inner: np.ndarray | None
    """(free, free) or (n, free): what to add to a solution, from the solution; None without a correction."""
    spread: np.ndarray
    """(free, n) the inverse times the values of the middle."""
    growth: np.ndarray
    """(free,) standard errors over those without gaps."""


class Gaps:
    """The frames of a group with missing pixels.

    With these pixels the matrix of a frame is ``N - U w U'`` in the middle of the
    group; its inverse follows from that of N by the identity of Woodbury (1950).

    Parameters
    ----------
    group : photometry.algorithms.scene_group.Group
    pixels : photometry.algorithms.scene_group.Pixels
    """

    def __init__(self, group, pixels):
        self.group = group
        missing = pixels.missing
        self.shape = group.free.size, group.frames.size
        self._gaps = []
        if not missing.frame.size:
            return
        weight = pixels.weight.ravel()
        for number in np.flatnonzero(np.isin(group.frames, missing.frame)):
            low, high = np.searchsorted(missing.frame, [group.frames[number], group.frames[number] + 1])
            chosen = missing.pixel[low:high]
            chosen = chosen[weight[chosen] > 0]
            if chosen.size:
                self._gaps.append(self._gap(number, chosen, weight[chosen]))

    def _gap(self, number, chosen, weight):
        group = self.group
        values = group.values_at(chosen)
        middle, moved = values[0], np.tensordot(group.phi[:, number], values, 1)
        variance = np.diag(group.inverse)
        spread = group.inverse @ middle
        if chosen.size > MOST:
            full = group.normal[0] - (middle * weight) @ middle.T
            inverse = np.linalg.pinv(full, hermitian=True)
            gained = np.diag(inverse) - variance
            inner = (inverse - group.inverse) @ group.normal[0]
            spread = None
        else:
            small = np.diag(1 / weight) - middle.T @ spread
            # A star that only missing pixels showed leaves nothing to divide by.
            inner = np.linalg.solve(small + 1e-9 * np.diag(1 / weight), middle.T)
            gained = np.einsum('fn,nf->f', spread, inner @ group.inverse)
        growth = np.sqrt(np.maximum(1 + gained / variance, 0.0))
        return _Gap(number, middle * weight, moved, inner, spread, growth)

    def solved(self, solution):
        """Solutions without the missing pixels from those with them, in place."""
        for gap in self._gaps:
            change = gap.inner @ solution[:, gap.number]
            solution[:, gap.number] += change if gap.spread is None else gap.spread @ change
        return solution

    def own(self, product, solution):
        """The frames' own matrices times the solutions without the missing pixels, in place."""
        for gap in self._gaps:
            product[:, gap.number] -= gap.pull @ (gap.moved.T @ solution[:, gap.number])
        return product

    def own_matrix(self, matrix, number):
        """The matrix of one frame without the missing pixels."""
        for gap in self._gaps:
            if gap.number == number:
                matrix = matrix - gap.pull @ gap.moved.T
        return matrix

    def growth(self):
        """Standard errors over those without gaps, (free, frames)."""
        made = np.ones(self.shape)
        for gap in self._gaps:
            made[:, gap.number] = gap.growth
        return made
