"""Frames that share one expansion of a scene: their equations and the solutions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from photometry.algorithms import scene_design as design
from photometry.algorithms import scene_gaps

CLEAR = 0.05
"""Refinement of a solution that needs no further one, in errors of the flux."""

CONVERGED = 0.3
"""Part of a refinement that the next one may have; else the frame's own matrix is factorised."""

LEAST_SEEN = 0.02
"""Part of a star's light that must fall on pixels which can be used."""

OUTSIDE_SPREAD = 0.1
"""Relative change that stars beyond the pixels are allowed."""

SKY_SPREAD = 10.0
"""Change that each term of the sky is allowed in a frame, e-/s a pixel."""

LOST = 5.0
"""Growth of the error by missing pixels beyond which a frame tells nothing about a star."""

RUNS, RUN = 6, 8
"""Runs of successive frames from which typical errors and the reduced chi square are taken."""

GONE = 0.5
"""Part of these frames without a number from which a pixel is not used at all."""


class Pixels:
    """Images with errors and their weights.

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
    sample : ndarray of int
        Some frames that stand for all.
    """

    def __init__(self, images, errors, variance, good, shift):
        self.images, self.errors = images, errors
        self.times = len(shift)
        known = np.isfinite(shift).all(axis=1)
        some = np.flatnonzero(good & known) if (good & known).any() else np.flatnonzero(known)
        starts = np.linspace(0, max(some.size - RUN, 0), RUNS).astype(int)
        self.sample = some[np.unique(np.clip(starts[:, None] + np.arange(RUN), 0, some.size - 1))
                           if some.size else slice(0)]
        valid, square = self._sampled()
        number = valid.sum(axis=-1)
        typical = np.where(valid, square, 0.0).sum(axis=-1) / np.maximum(number, 1)
        used = np.isfinite(variance) & (typical > 0) & (number > GONE * self.sample.size)
        self.variance = np.where(used, typical, np.inf)
        self.weight = np.where(used, 1 / np.where(used, typical, 1.0), 0.0)

    def doubt(self, error):
        """Weigh pixels less by an error of the model (rows, columns), e-/s."""
        self.weight = np.where(self.weight > 0, 1 / (1 / np.maximum(self.weight, 1e-300) + error ** 2), 0.0)

    def _sampled(self):
        """Whether the pixels of the sampled frames hold a number, and the squares of their errors."""
        square = self.errors[..., self.sample].astype('float64') ** 2
        return np.isfinite(square) & np.isfinite(self.images[..., self.sample]), square

    def band(self, rows, frames, space=None):
        """Images and squared errors of some rows, (pixels, frames) each, float32.

        Parameters
        ----------
        rows : slice
        frames : ndarray of int
        space : ndarray (2, pixels, frames), optional
            Memory to use.
        """
        images, errors = self.images[rows], self.errors[rows]
        if frames.size < self.times:
            images, errors = images[..., frames], errors[..., frames]
        size = images.shape[0] * images.shape[1]
        if space is None:
            space = np.empty((2, size, frames.size), dtype='float32')
        square = space[1, :size].reshape(images.shape)
        np.multiply(errors, errors, out=square)
        if not images.flags.c_contiguous:
            images = _copied(images, space[0, :size].reshape(images.shape))
        return images.reshape(size, -1), square.reshape(size, -1)


class Found(NamedTuple):
    """Fluxes of the templates that are free, with errors: (free, frames)."""

    free: np.ndarray
    """(free,) their numbers."""
    flux: np.ndarray
    error: np.ndarray
    sky: np.ndarray
    covariance: np.ndarray
    deviation: np.ndarray
    """(free + 6, frames) from the mean scene, the sky included."""


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
        return self.light.moved(self.bands, self.frames, self.phi)

    @property
    def _size(self):
        return self.light.layout.number + design.SKY_TERMS

    @cached_property
    def _columns(self):
        """Values in the middle of the members of each band and the sky, (members + 6, pixels) float64."""
        sky = self.light.sky
        return [np.concatenate([band.values[0], sky[:, band.rows].reshape(design.SKY_TERMS, -1)],
                               dtype='float64') for band in self.bands]

    @cached_property
    def _index(self):
        """Their numbers."""
        sky = self.light.layout.number + np.arange(design.SKY_TERMS)
        return [np.concatenate([band.members, sky]) for band in self.bands]

    @cached_property
    def _weighted(self):
        return [values * self.pixels.weight[band.rows].ravel()
                for band, values in zip(self.bands, self._columns, strict=True)]

    @cached_property
    def seen(self):
        """Part of each template's light on pixels that can be used."""
        seen = np.zeros(self._size)
        for band, values in zip(self.bands, self._columns, strict=True):
            band.add(seen, values @ (self.pixels.weight[band.rows].ravel() > 0))
        return seen[:-design.SKY_TERMS]

    @cached_property
    def information(self):
        """Inverse variance of each template's flux, were it alone."""
        found = np.zeros(self._size)
        for band, values, weighted in zip(self.bands, self._columns, self._weighted, strict=True):
            band.add(found, np.einsum('mp,mp->m', values, weighted))
        return found[:-design.SKY_TERMS]

    @cached_property
    def _prior(self):
        """Inverse variance that keeps each unknown at the mean scene; infinite for what is not free."""
        light = self.light
        prior = np.where(light.inside, 0.0, (OUTSIDE_SPREAD * np.abs(light.flux) + 1.0) ** -2.0)
        prior[self.seen < LEAST_SEEN] = np.inf
        spread = design.sky_spread(light.stamp.shape, SKY_SPREAD)
        return np.concatenate([prior, np.where(spread > 0, np.maximum(spread, 1e-9) ** -2.0, np.inf)])

    @cached_property
    def free(self):
        """Numbers of the unknowns that are solved for: templates, then terms of the sky."""
        return np.flatnonzero(np.isfinite(self._prior))

    @cached_property
    def normal(self):
        """``A0' W A_l`` of the free unknowns, (6, free, free), with the prior in the first."""
        normal = np.zeros((6, self._size, self._size))
        for band, index, values, weighted in zip(self.bands, self._index, self._columns, self._weighted,
                                                 strict=True):
            normal[0][np.ix_(index, index)] += weighted @ values.T
            members = index[:-design.SKY_TERMS]
            place = np.ix_(index, members)
            products = weighted.astype('float32') @ band.values[1:].transpose(0, 2, 1)
            for plane in range(1, 6):
                normal[plane][place] += products[plane - 1]
        normal = np.ascontiguousarray(normal[:, self.free[:, None], self.free])
        normal[0].flat[::self.free.size + 1] += self._prior[self.free]
        return normal

    @cached_property
    def inverse(self):
        """Inverse of the first of them."""
        scale = 1 / np.sqrt(np.diag(self.normal[0]))
        return np.linalg.inv(self.normal[0] * scale[:, None] * scale) * scale[:, None] * scale

    @cached_property
    def _whole_inverse(self):
        """The same for all unknowns, zero for what is not free."""
        made = np.zeros((self._size, self._size))
        made[np.ix_(self.free, self.free)] = self.inverse
        return made

    def solve(self):
        """Fluxes of the group.

        Returns
        -------
        Found
        """
        right, square, gaps = self._project()
        deviation = self._solutions(right, gaps)
        stars = np.searchsorted(self.free, self.light.layout.number)
        growth, free = gaps.growth()[:stars], self.free[:stars]
        lost = growth > LOST
        flux = np.where(lost, np.nan, self.light.flux[free][:, None] + deviation[:stars])
        error = np.where(lost, np.nan, np.sqrt(square[free]) * growth)
        sky = np.zeros((design.SKY_TERMS, self.frames.size))
        sky[self.free[stars:] - self.light.layout.number] = deviation[stars:]
        return Found(free, flux, error, sky, self.inverse[:stars, :stars], deviation)

    def _project(self):
        """Projections of images less the mean scene, variances of the unknowns, and `scene_gaps.Gaps`."""
        images, coefficients = self._model
        right, square = (np.zeros((self._size, self.frames.size), dtype='float32') for _ in range(2))
        static = np.zeros((self._size, len(images)))
        inverse = self._whole_inverse
        space = np.empty((2, design.BAND * self.light.stamp.width, self.frames.size), dtype='float32')
        missing = []
        for band, index, weighted in zip(self.bands, self._index, self._weighted, strict=True):
            operators = (weighted.astype('float32'),
                         np.square(inverse[np.ix_(index, index)] @ weighted).astype('float32'))
            band.add(static, weighted @ images[:, band.rows].reshape(len(images), -1).T)
            data, square_errors = self.pixels.band(band.rows, self.frames, space)
            parts = operators[0] @ data, operators[1] @ square_errors
            # One pixel without a number spoils the sums of all unknowns, so that a look at one suffices.
            if not (np.isfinite(parts[0][-1]).all() and np.isfinite(parts[1][-1]).all()):
                data, square_errors, gone = self._filled(band.rows, data, square_errors)
                missing.append(gone)
                parts = operators[0] @ data, operators[1] @ square_errors
            band.add(right, parts[0])
            band.add(square, parts[1])
        gaps = scene_gaps.Gaps(self, self.pixels.weight.ravel(), missing)
        return right[self.free] - static[self.free] @ coefficients, square, gaps

    def _filled(self, rows, data, square):
        """Pixels with the mean scene in their gaps, and the gaps: (pixels, frames of the group)."""
        gone = ~(np.isfinite(data) & np.isfinite(square))
        data, square = data.copy(), square.copy()
        images, coefficients = self._model
        images = images[:, rows].reshape(len(images), -1)
        variance = self.pixels.variance[rows].ravel()
        for pixel in np.flatnonzero(gone.any(axis=1)):
            some = gone[pixel]
            data[pixel, some] = images[:, pixel] @ coefficients[:, some]
            square[pixel, some] = variance[pixel] if np.isfinite(variance[pixel]) else 1.0
        pixels, numbers = np.nonzero(gone)
        return data, square, (pixels + rows.start * self.light.stamp.width, numbers)

    def _solutions(self, right, gaps):
        """Deviations from the mean scene, (free, frames)."""
        solution = gaps.solved(self.inverse @ right)
        sigma = np.sqrt(np.diag(self.inverse))[:, None]
        step = gaps.solved(self.inverse @ (right - self._own(solution, gaps)))
        solution += step
        first = np.abs(step / sigma).max(axis=0, initial=0)
        rest = np.flatnonzero(~(first < CLEAR))
        if rest.size:
            product = self._own(solution, gaps)
            step = gaps.solved(self.inverse @ (right - product))
            solution[:, rest] += step[:, rest]
            last = np.abs(step / sigma).max(axis=0, initial=0)
            for number in rest[~(last[rest] < np.maximum(CONVERGED * first[rest], CLEAR))]:
                matrix = gaps.own_matrix(np.tensordot(self.phi[:, number], self.normal, 1), number)
                solution[:, number] = np.linalg.lstsq(matrix, right[:, number], rcond=None)[0]
        return solution

    @cached_property
    def _slopes(self):
        """What the motion adds to the matrix, side by side: (free, 5 * free) float32."""
        return np.concatenate([*self.normal[1:]], axis=1).astype('float32')

    def _own(self, solution, gaps):
        """The frames' own matrices times the solutions."""
        moved = self.phi[1:, None].astype('float32') * solution.astype('float32')
        product = self.normal[0] @ solution + self._slopes @ moved.reshape(-1, solution.shape[1])
        return gaps.own(product, solution)

    def values_at(self, flat):
        """All planes of the free unknowns at pixels, counted along the rows: (6, free, n)."""
        width = self.light.stamp.width
        values = np.zeros((6, self._size, len(flat)))
        for number, pixel in enumerate(flat):
            row, column = divmod(int(pixel), width)
            band, index, middle = (items[row // design.BAND]
                                   for items in (self.bands, self._index, self._columns))
            inner = (row - band.rows.start) * width + column
            values[:, index[:-design.SKY_TERMS], number] = band.values[:, :, inner]
            values[0, index, number] = middle[:, inner]
        return values[:, self.free]

    def chi2(self, deviation):
        """Reduced chi square of the templates in those of the sampled frames that are in the group."""
        numbers = np.flatnonzero(np.isin(self.frames, self.pixels.sample))
        full = np.zeros((self._size, numbers.size))
        full[self.free] = deviation[:, numbers]
        images, coefficients = self._model
        total, weight = np.zeros(self._size), np.zeros(self._size)
        inverse = self._whole_inverse
        for band, index, values, weighted in zip(self.bands, self._index, self._columns, self._weighted,
                                                 strict=True):
            data, square = self.pixels.band(band.rows, self.frames[numbers])
            model = np.concatenate([images[:, band.rows].reshape(len(images), -1), values])
            model = model.T @ np.concatenate([coefficients[:, numbers], full[index]])
            used = (self.pixels.weight[band.rows].ravel() > 0)[:, None] & np.isfinite(data) & (square > 0)
            score = np.where(used, (data - model) ** 2 / np.where(used, square, 1.0), 0.0)
            core = np.abs(values)
            band.add(total, core @ score.sum(axis=1))
            # Each pixel has drawn the fit towards itself.
            left = 1 - np.einsum('up,up->p', values, inverse[np.ix_(index, index)] @ weighted)
            band.add(weight, core @ (left * used.sum(axis=1)))
        known = weight > LEAST_SEEN * max(numbers.size, 1)
        return np.where(known, total / np.where(known, weight, 1.0), np.nan)[:-design.SKY_TERMS]


def _copied(values, space):
    np.copyto(space, values)
    return space
