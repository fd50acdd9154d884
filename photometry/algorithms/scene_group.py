"""Frames that share one expansion of a scene: their equations and the solutions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from photometry.algorithms import scene_design as design
from photometry.algorithms import scene_gaps

REFINEMENTS = 2
"""Times that a solution is held against the frame's own matrix."""

CONVERGED = 0.3
"""Part of the first refinement that the last one may have."""

SMALL = 1e-3
"""Refinement that needs no further one, in errors of the flux."""

LEAST_SEEN = 0.02
"""Part of a star's light that must fall on pixels which can be used."""

OUTSIDE_SPREAD = 0.1
"""Relative change that stars beyond the pixels are allowed."""

SKY_SPREAD = 10.0
"""Change that each term of the sky is allowed in a frame, e-/s a pixel."""

LOST = 5.0
"""Growth of the error by missing pixels beyond which a frame tells nothing about a star."""

SAMPLE = 48
"""Frames from which typical errors and the reduced chi square are taken."""

HALF_GONE = 0.5
"""Part of the good frames without a number from which a pixel is not used at all."""


class Pixels:
    """Images with errors, their weights, and what is missing in them.

    Parameters
    ----------
    images, errors : float32 ndarray (rows, columns, times)
    variance : ndarray (rows, columns)
        Infinite for pixels not to be used.
    good : ndarray (times,) of bool
    shift : ndarray (times, 2)

    Attributes
    ----------
    variance, weight : ndarray (rows, columns)
        Typical variance of a frame, infinite where not used, and its inverse.
    gappy : ndarray (n, 2) of int
        Pixels without a number in some frames.
    missing : scene_gaps.Missing
        Frames in which used pixels have none.
    sample : ndarray of int
        Some frames that stand for all.
    """

    def __init__(self, images, errors, variance, good, shift):
        self.images, self.errors = images, errors
        self.times = len(shift)
        known = np.isfinite(shift).all(axis=1)
        sample = np.flatnonzero(good & known) if (good & known).any() else np.flatnonzero(known)
        self.sample = sample[np.linspace(0, sample.size - 1, min(SAMPLE, sample.size)).astype(int)]
        whole = np.isfinite(images.sum(axis=-1)) & np.isfinite(errors.sum(axis=-1))
        self.gappy = np.argwhere(~whole)
        dead, self.missing = scene_gaps.find(images, errors, self.gappy, good, HALF_GONE)
        typical = _mean_square(errors[..., self.sample])
        used = np.isfinite(variance) & np.isfinite(typical) & (typical > 0) & ~dead
        self.variance = np.where(used, typical, np.inf)
        self.weight = np.where(used, 1 / np.where(used, typical, 1.0), 0.0)

    def band(self, rows, frames, fill):
        """Images and errors of some rows, (pixels, frames) each.

        Gaps are filled: images with ``fill(row, column, numbers)``, errors with the typical one.
        """
        every = frames.size == self.times
        images, errors = (cube[rows] if every else cube[rows][..., frames]
                          for cube in (self.images, self.errors))
        gappy = self.gappy[(self.gappy[:, 0] >= rows.start) & (self.gappy[:, 0] < rows.stop)]
        if len(gappy):
            images, errors = images.copy(), errors.copy()
        for row, column in gappy:
            image, error = images[row - rows.start, column], errors[row - rows.start, column]
            gone = np.flatnonzero(~(np.isfinite(image) & np.isfinite(error)))
            image[gone] = fill(row, column, gone)
            error[gone] = np.sqrt(self.variance[row, column]) if self.weight[row, column] > 0 else 1.0
        return images.reshape(-1, frames.size), errors.reshape(-1, frames.size)


class Found(NamedTuple):
    """Fluxes of the templates that are free, with errors: (free, frames)."""

    free: np.ndarray
    """(free,) their numbers."""
    flux: np.ndarray
    error: np.ndarray
    sky: np.ndarray
    covariance: np.ndarray


@dataclass(frozen=True)
class Group:
    """Some frames near a common shift.

    Parameters
    ----------
    pixels : Pixels
    light : photometry.algorithms.scene_series.MovingScene
    frames : ndarray of int
    middle : ndarray (2,)
        Shift about which is expanded, px.
    """

    pixels: Pixels
    light: object
    frames: np.ndarray
    middle: np.ndarray

    @cached_property
    def bands(self):
        """Templates with derivatives, `scene_design.Band`."""
        bands = self.light.bands(self.middle)
        design.add_wings(bands, self.light.wings)
        return bands

    @cached_property
    def phi(self):
        """Monomials of the shifts from the middle, (6, frames)."""
        return design.monomials(self.light.shift[self.frames] - self.middle)

    @cached_property
    def _model(self):
        """Mean scene in the frames: images (n, rows, columns) and their coefficients (n, frames)."""
        return self.light.moved(self.bands, self.middle, self.frames, self.phi)

    @cached_property
    def _columns(self):
        """For each band numbers and values of its unknowns, stars and sky, in the middle."""
        count = self.light.layout.number
        sky = design.sky_basis(self.light.stamp.shape)
        return [(np.concatenate([band.members, count + np.arange(design.SKY_TERMS)]),
                 np.concatenate([band.values[0], sky[:, band.rows].reshape(design.SKY_TERMS, -1)]))
                for band in self.bands]

    @cached_property
    def seen(self):
        """Part of each template's light on pixels that can be used."""
        seen = np.zeros(self.light.layout.number)
        for band in self.bands:
            seen[band.members] += band.values[0] @ (self.pixels.weight[band.rows].ravel() > 0)
        return seen

    @cached_property
    def _prior(self):
        """Inverse variance that keeps each unknown at the mean scene; infinite for what is not free."""
        light = self.light
        prior = np.where(light.inside, 0.0, (OUTSIDE_SPREAD * np.abs(light.flux) + 1.0) ** -2.0)
        prior[self.seen < LEAST_SEEN] = np.inf
        return np.concatenate([prior, np.full(design.SKY_TERMS, SKY_SPREAD ** -2.0)])

    @cached_property
    def free(self):
        """Numbers of the unknowns that are solved for; the last six are the sky's."""
        return np.flatnonzero(np.isfinite(self._prior))

    @cached_property
    def normal(self):
        """``A0' W A_l`` of the free unknowns, (6, free, free), with the prior in the first."""
        size = self._prior.size
        normal = np.zeros((6, size, size))
        for band, (index, values) in zip(self.bands, self._columns, strict=True):
            weighted = values * self.pixels.weight[band.rows].ravel()
            normal[np.ix_([0], index, index)] += weighted @ values.T
            slopes = band.values[1:].reshape(-1, weighted.shape[1])
            products = (weighted @ slopes.T).reshape(index.size, 5, -1).transpose(1, 0, 2)
            normal[np.ix_(range(1, 6), index, band.members)] += products
        normal = np.ascontiguousarray(normal[:, self.free[:, None], self.free])
        normal[0].flat[::self.free.size + 1] += self._prior[self.free]
        return normal

    @cached_property
    def inverse(self):
        """Inverse of the first of them."""
        scale = 1 / np.sqrt(np.diag(self.normal[0]))
        return np.linalg.inv(self.normal[0] * scale[:, None] * scale) * scale[:, None] * scale

    def solve(self):
        """Fluxes of the group.

        Returns
        -------
        Found
        """
        right, square = self._project()
        deviation, growth = self._solutions(right)
        stars = self.free.size - design.SKY_TERMS
        object.__setattr__(self, '_deviation', deviation)
        growth = growth[:stars]
        free = self.free[:stars]
        lost = growth > LOST
        flux = np.where(lost, np.nan, self.light.flux[free][:, None] + deviation[:stars])
        error = np.where(lost, np.nan, np.sqrt(square[:stars]) * growth)
        return Found(free, flux, error, deviation[stars:], self.inverse[:stars, :stars])

    def _project(self):
        """Projections of images less the mean scene, and variances of the unknowns: (free, frames) each."""
        pixels, frames = self.pixels, self.frames
        size = self._prior.size
        images, coefficients = self._model
        right, square = (np.zeros((size, frames.size)) for _ in range(2))
        static = np.zeros((size, len(images)))
        place = np.full(size, -1)
        place[self.free] = np.arange(self.free.size)
        for band, (index, values) in zip(self.bands, self._columns, strict=True):
            weighted = values * pixels.weight[band.rows].ravel()
            data, errors = pixels.band(band.rows, frames, self._fill)
            right[index] += weighted.astype('float32') @ data
            static[index] += weighted @ images[:, band.rows].reshape(len(images), -1).T
            free = place[index] >= 0
            known = place[index][free]
            operator = self.inverse[np.ix_(known, known)] @ weighted[free]
            square[index[free]] += np.square(operator).astype('float32') @ np.square(errors)
        return right[self.free] - static[self.free] @ coefficients, square[self.free]

    def _fill(self, row, column, numbers):
        """Mean scene in a pixel of some frames of the group."""
        images, coefficients = self._model
        return images[:, row, column] @ coefficients[:, numbers]

    def _solutions(self, right):
        """Deviations (free, frames) and by how much missing pixels let errors grow."""
        gaps = scene_gaps.Gaps(self, self.pixels)
        solution = gaps.solved(self.inverse @ right)
        sizes = []
        sigma = np.sqrt(np.diag(self.inverse))[:, None]
        for _ in range(REFINEMENTS):
            step = gaps.solved(self.inverse @ (right - gaps.own(self._own(solution), solution)))
            solution += step
            sizes.append(np.abs(step / sigma).max(axis=0, initial=0))
        wild = ~((sizes[-1] <= CONVERGED * sizes[0]) | (sizes[-1] < SMALL))
        for number in np.flatnonzero(wild):
            matrix = gaps.own_matrix(np.tensordot(self.phi[:, number], self.normal, 1), number)
            solution[:, number] = np.linalg.lstsq(matrix, right[:, number], rcond=None)[0]
        return solution, gaps.growth()

    def _own(self, solution):
        """The frames' own matrices times the solutions."""
        total = self.normal[0] @ solution
        for plane in range(1, 6):
            total += self.phi[plane] * (self.normal[plane] @ solution)
        return total

    def values_at(self, flat):
        """All planes of the free unknowns at pixels, counted along the rows: (6, free, n)."""
        width = self.light.stamp.width
        values = np.zeros((6, self._prior.size, len(flat)))
        for number, pixel in enumerate(flat):
            row, column = divmod(int(pixel), width)
            band, (index, middle) = (items[row // design.BAND] for items in (self.bands, self._columns))
            inner = (row - band.rows.start) * width + column
            values[:, band.members, number] = band.values[:, :, inner]
            values[0, index, number] = middle[:, inner]
        return values[:, self.free]

    def chi2(self):
        """Reduced chi square of the templates in those of the sampled frames that are in the group."""
        numbers = np.flatnonzero(np.isin(self.frames, self.pixels.sample))
        count = self.light.layout.number
        full = np.zeros((count + design.SKY_TERMS, numbers.size))
        full[self.free] = self._deviation[:, numbers]
        images, coefficients = self._model
        total, weight = np.zeros(count), np.zeros(count)
        for band, (index, values) in zip(self.bands, self._columns, strict=True):
            data, errors = self.pixels.band(band.rows, self.frames[numbers],
                                            lambda row, column, gone: self._fill(row, column, numbers[gone]))
            model = (images[:, band.rows].reshape(len(images), -1).T @ coefficients[:, numbers]
                     + values.T @ full[index])
            used = self.pixels.weight[band.rows].ravel() > 0
            score = (((data - model) / errors)[used] ** 2).mean(axis=1) if numbers.size else np.nan
            core = np.abs(band.values[0][:, used])
            total[band.members] += core @ score
            weight[band.members] += core.sum(axis=1)
        return np.where(weight > LEAST_SEEN, total / np.maximum(weight, 1e-9), np.nan)


def _mean_square(cube):
    """Mean over time of the squares of what is finite; infinite where nothing is."""
    square = cube.astype('float64') ** 2
    valid = np.isfinite(square)
    number = valid.sum(axis=-1)
    return np.where(number > 0, np.where(valid, square, 0).sum(axis=-1) / np.maximum(number, 1), np.inf)
