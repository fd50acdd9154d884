"""Pixels that are missing in single frames, taken out of the equations of these frames exactly."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np

MOST = 60
"""Missing pixels of a frame up to which its inverse is corrected, not computed anew."""

LEFT = 1e-9
"""Part of the information that is always left, so that no matrix is singular."""


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
    weight : ndarray (pixels,)
        Counted along the rows of the region.
    missing : list of (pixels, numbers)
        Missing pixels and the numbers of their frames in the group.
    """

    def __init__(self, group, weight, missing):
        self.group = group
        self.shape = group.free.size, group.frames.size
        self._gaps = []
        if not missing:
            return
        pixel, frame = (np.concatenate(parts) for parts in zip(*missing, strict=True))
        pixel, frame = pixel[weight[pixel] > 0], frame[weight[pixel] > 0]
        order = np.argsort(frame, kind='stable')
        numbers, first = np.unique(frame[order], return_index=True)
        pieces = np.split(pixel[order], first[1:]) if numbers.size else ()
        taken, last = None, np.zeros(0, dtype=int)
        for number, chosen in zip(numbers, pieces, strict=True):
            # Frames that are lost as a whole lack the same pixels, all of them.
            if not np.array_equal(chosen, last):
                taken, last = self._taken(chosen, weight[chosen]), chosen
            values, gap = taken
            moved = np.tensordot(group.phi[:, number], values, 1)
            self._gaps.append(gap._replace(number=int(number), moved=moved))

    def _taken(self, chosen, weight):
        """All planes at missing pixels, and what every frame of the group without them has in common."""
        group = self.group
        values = group.values_at(chosen)
        middle, variance = values[0], np.diag(group.inverse)
        spread = group.inverse @ middle
        if chosen.size > MOST:
            full = group.normal[0] - (middle * weight) @ middle.T
            full.flat[::len(full) + 1] += LEFT * np.diag(group.normal[0])
            inverse = np.linalg.inv(full)
            gained = np.diag(inverse) - variance
            inner = (inverse - group.inverse) @ group.normal[0]
            spread = None
        else:
            small = np.diag(1 / weight) - middle.T @ spread
            # A star that only missing pixels showed leaves nothing to divide by.
            inner = np.linalg.solve(small + LEFT * np.diag(1 / weight), middle.T)
            gained = np.einsum('fn,nf->f', spread, inner @ group.inverse)
        growth = np.sqrt(np.maximum(1 + gained / variance, 0.0))
        return values, _Gap(-1, middle * weight, middle, inner, spread, growth)

    def of(self, numbers):
        """Those of some frames of the group, counted anew."""
        made = copy.copy(self)
        place = {int(number): place for place, number in enumerate(numbers)}
        made._gaps = [gap._replace(number=place[gap.number]) for gap in self._gaps if gap.number in place]
        return made

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
